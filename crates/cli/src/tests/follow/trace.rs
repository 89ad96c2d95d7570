//! What is printed of an execution's history.

use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::builders::HistoryEventBuilder;
use aws_sdk_sfn::types::{
    HistoryEvent, HistoryEventType, LambdaFunctionFailedEventDetails, MapIterationEventDetails,
    MapRunStartedEventDetails, MapStateStartedEventDetails, StateEnteredEventDetails,
    TaskFailedEventDetails,
};

use crate::follow::trace::Trace;

fn event(id: i64, previous: i64, kind: HistoryEventType) -> HistoryEventBuilder {
    let event = HistoryEvent::builder().timestamp(DateTime::from_secs(0)).r#type(kind);
    event.id(id).previous_event_id(previous)
}

fn entered(id: i64, previous: i64, kind: HistoryEventType, name: &str) -> HistoryEvent {
    let details = StateEnteredEventDetails::builder().name(name).build().unwrap();
    event(id, previous, kind).state_entered_event_details(details).build().unwrap()
}

fn map(id: i64, previous: i64, targets: i32) -> HistoryEvent {
    let details = MapStateStartedEventDetails::builder().length(targets).build();
    let event = event(id, previous, HistoryEventType::MapStateStarted);
    event.map_state_started_event_details(details).build().unwrap()
}

fn iteration(id: i64, previous: i64, index: i32) -> HistoryEvent {
    let details = MapIterationEventDetails::builder().name("PromoteTargets").index(index).build();
    let event = event(id, previous, HistoryEventType::MapIterationStarted);
    event.map_iteration_started_event_details(details).build().unwrap()
}

fn printed(events: &[HistoryEvent]) -> Vec<String> {
    let mut trace = Trace::default();
    let lines = events.iter().filter_map(|event| Some(trace.add(event)?.to_string()));
    lines.collect()
}

#[test]
fn tasks_and_their_errors_are_printed_and_polls_once() {
    use HistoryEventType as Type;
    let failed = LambdaFunctionFailedEventDetails::builder().error("StackBusy").build();
    let failed = |id| {
        let event = event(id, id - 1, Type::LambdaFunctionFailed);
        event.lambda_function_failed_event_details(failed.clone()).build().unwrap()
    };
    let task = TaskFailedEventDetails::builder().resource_type("lambda").resource("invoke");
    let task = task.error("States.Timeout").build().unwrap();
    let task = event(9, 8, Type::TaskFailed).task_failed_event_details(task).build().unwrap();
    let events = vec![
        entered(1, 0, Type::TaskStateEntered, "UpdateStack"),
        failed(2),
        failed(3),
        entered(4, 3, Type::ChoiceStateEntered, "IsUpdateStarted"),
        entered(5, 4, Type::WaitStateEntered, "WaitForStack"),
        entered(6, 5, Type::TaskStateEntered, "WaitStackComplete"),
        entered(7, 6, Type::WaitStateEntered, "WaitForStack"),
        entered(8, 7, Type::TaskStateEntered, "WaitStackComplete"),
        task,
        entered(10, 9, Type::FailStateEntered, "PromotionFailed"),
    ];
    let expected = [
        "UpdateStack",
        "UpdateStack: StackBusy",
        "WaitStackComplete",
        "WaitStackComplete: States.Timeout",
        "PromotionFailed",
    ];
    assert_eq!(printed(&events), expected);
}

#[test]
fn targets_are_numbered_if_there_are_several() {
    use HistoryEventType as Type;
    let events = |targets| {
        vec![
            entered(1, 0, Type::MapStateEntered, "PromoteTargets"),
            map(2, 1, targets),
            iteration(3, 2, 0),
            entered(4, 3, Type::TaskStateEntered, "ValidateAmi"),
            iteration(5, 2, 1),
            entered(6, 5, Type::TaskStateEntered, "ValidateAmi"),
            event(7, 6, Type::MapStateExited).build().unwrap(),
            entered(8, 7, Type::TaskStateEntered, "Report"),
        ]
    };
    let expected =
        ["PromoteTargets: 2 targets", "target 1  ValidateAmi", "target 2  ValidateAmi", "Report"];
    assert_eq!(printed(&events(2)), expected);
    assert_eq!(printed(&events(1)), ["ValidateAmi", "ValidateAmi", "Report"]);
    assert_eq!(printed(&events(500)), ["PromoteTargets: 500 targets", "Report"]);
}

#[test]
fn a_spinner_counts_the_targets_that_have_ended() {
    let mut trace = Trace::default();
    trace.add(&map(1, 0, 500));
    for id in 2..5 {
        trace.add(&event(id, 1, HistoryEventType::MapIterationSucceeded).build().unwrap());
    }
    assert_eq!((trace.now().as_str(), trace.seen()), ("3 of 500 targets", 4));
}

#[test]
fn the_targets_of_a_distributed_map_are_counted_as_they_end() {
    use HistoryEventType as Type;
    let mut trace = Trace::default();
    let add =
        |trace: &mut Trace, event: HistoryEvent| trace.add(&event).map(|line| line.to_string());
    add(&mut trace, entered(1, 0, Type::MapStateEntered, "PromoteTargets"));
    add(&mut trace, map(2, 1, 300));
    assert_eq!(trace.map_run(), None);
    let run = MapRunStartedEventDetails::builder().map_run_arn("arn:run").build();
    let run = event(3, 2, Type::MapRunStarted).map_run_started_event_details(run);
    assert_eq!(add(&mut trace, run.build().unwrap()), None);
    assert_eq!(trace.map_run(), Some("arn:run"));
    for (done, expected) in [(0, None), (25, Some("PromoteTargets: 25 of 300 targets")), (25, None)]
    {
        assert_eq!(trace.count(done).map(|line| line.to_string()).as_deref(), expected);
    }
    let ended = event(4, 3, Type::MapRunSucceeded).build().unwrap();
    let line = add(&mut trace, ended);
    assert_eq!(line.as_deref(), Some("PromoteTargets: 300 of 300 targets"));
    add(&mut trace, event(5, 4, Type::MapStateSucceeded).build().unwrap());
    assert_eq!(trace.map_run(), None);
    add(&mut trace, entered(6, 5, Type::TaskStateEntered, "Report"));
    assert_eq!(trace.now(), "Report");
}
