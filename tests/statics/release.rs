//! The archives of a release (`.ci/package`): one deploys without a build, and nothing that it refers to is
//! missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::machine::PATHS;
use crate::template::{TEMPLATE, functions};
use crate::workspace::step_crates;
use crate::{none, text};

/// A folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = harness::paths::own().join("packaged").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a program of `.ci` prints, or else why it fails.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let python = harness::paths::venv_program("python").unwrap();
    let program = harness::paths::root().join(".ci").join(program);
    let ended = Command::new(python).arg(program).args(arguments).output().unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    if ended.status.success() { Ok(said(ended.stdout)) } else { Err(said(ended.stderr)) }
}

/// The archive that `.ci/package` makes.
fn package(arguments: &[&str]) -> PathBuf {
    PathBuf::from(run("package", arguments).unwrap())
}

/// The archive for an architecture, with programs that only say their name.
fn packaged(architecture: &str, folder: &Path) -> PathBuf {
    let programs = folder.join("programs");
    for step in step_crates() {
        fs::create_dir_all(programs.join(&step)).unwrap();
        fs::write(programs.join(&step).join("bootstrap"), &step).unwrap();
    }
    let [output, programs] = [folder, &programs].map(|path| path.to_str().unwrap());
    package(&["functions", architecture, output, programs])
}

/// The files of an archive, by their paths in its only folder, which is named after it.
fn files(archive: &Path) -> Value {
    let found = crate::python("archive.py", &json!(archive));
    let name = archive.file_name().unwrap().to_str().unwrap();
    let folder = name.trim_end_matches(".zip").trim_end_matches(".tar.gz");
    let inside = |(path, file): (&String, &Value)| {
        let path = path.strip_prefix(&format!("{folder}/")).unwrap_or_else(|| panic!("{path}"));
        (path.to_owned(), file.clone())
    };
    found.as_object().unwrap().iter().map(inside).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn the_archive_has_all_that_its_template_refers_to() {
    for (architecture, name) in [("aarch64", "arm64"), ("x86_64", "x86_64")] {
        let archive = packaged(architecture, &folder(name));
        let ends = format!("-{name}.zip");
        assert!(archive.to_str().unwrap().ends_with(&ends), "{}", archive.display());
        let files = files(&archive);
        let template = &files["template.yaml"]["contents"];
        let template = crate::python("template.py", template);
        let mut referred: BTreeSet<String> =
            ["template.yaml", "samconfig.toml", "CHANGELOG.md", "LICENSE"]
                .map(str::to_owned)
                .into();
        for (_, resource) in template["Resources"].as_object().unwrap() {
            let properties = &resource["Properties"];
            let uris = [&properties["CodeUri"], &properties["DefinitionUri"]];
            referred.extend(uris.iter().filter_map(|uri| uri.as_str()).map(str::to_owned));
        }
        let found: BTreeSet<_> = files.as_object().unwrap().keys().cloned().collect();
        assert_eq!(found, referred);
        for step in step_crates() {
            let zip = &files[format!("functions/{step}.zip")]["contents"];
            assert_eq!(*zip, json!({"bootstrap": {"mode": 0o755, "contents": step}}));
        }
        assert_eq!(template["Parameters"]["Architecture"]["Default"], name);
        assert_eq!(template["Parameters"]["Architecture"]["AllowedValues"], json!([name]));
        let findings = crate::template::lint(files["template.yaml"]["contents"].as_str().unwrap());
        none(findings);
    }
}

/// It is the template that the tests deploy.
#[test]
fn nothing_else_in_the_template_differs() {
    let files = files(&packaged("aarch64", &folder("same")));
    let mut template = crate::python("template.py", &files["template.yaml"]["contents"]);
    for (name, function) in functions() {
        template["Resources"][name]["Properties"]["CodeUri"] = function["CodeUri"].clone();
    }
    for field in ["Default", "AllowedValues"] {
        template["Parameters"]["Architecture"][field] =
            TEMPLATE["Parameters"]["Architecture"][field].clone();
    }
    assert_eq!(template, *TEMPLATE);
    for path in PATHS {
        assert_eq!(files[path]["contents"], text(path));
    }
}

#[test]
fn equal_programs_make_equal_archives() {
    let read = |name| fs::read(packaged("x86_64", &folder(name))).unwrap();
    assert_eq!(read("once"), read("again"));
}

#[test]
fn the_program_is_executable_on_every_system() {
    let folder = folder("program");
    for (program, target, end) in [
        ("driftless", "aarch64-apple-darwin", ".tar.gz"),
        ("driftless.exe", "x86_64-pc-windows-msvc", ".zip"),
    ] {
        let path = folder.join(program);
        fs::write(&path, "a program").unwrap();
        let [path, output] = [&path, &folder].map(|path| path.to_str().unwrap());
        let archive = package(&["program", path, target, output]);
        assert!(
            archive.to_str().unwrap().ends_with(&format!("-{target}{end}")),
            "{}",
            archive.display()
        );
        let files = files(&archive);
        assert_eq!(files[program], json!({"mode": 0o755, "contents": "a program"}));
        assert_eq!(files["LICENSE"]["contents"], text("LICENSE"));
    }
}

#[test]
fn a_tag_without_its_notes_is_not_released() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = folder("notes").join("CHANGELOG.md");
    let notes = |tag: &str, text: &str| {
        fs::write(&changelog, format!("# Changelog\n\n## Unreleased\n\n- x\n\n{text}")).unwrap();
        run("release-notes", &[tag, changelog.to_str().unwrap()])
    };
    let tag = format!("v{version}");
    let section = format!("## {version} - 2026-12-24\n\n### Added\n\n- this\n\n");
    let older = "## 0.0.1 - 2026-01-01\n\n- that\n";
    assert_eq!(notes(&tag, &(section.clone() + older)).unwrap(), "### Added\n\n- this");
    assert!(notes(&tag, older).unwrap_err().contains("has no section"));
    assert!(notes("v0.0.1", &(section + older)).unwrap_err().contains(version));
}
