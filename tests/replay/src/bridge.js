// Text in, text out: `jsonata.rs` calls these.

const parsed = new Map();
let bindings = {};

globalThis.bind = text => {
  bindings = JSON.parse(text);
};

// {value}, {} if the expression returns nothing, or {error}.
globalThis.evaluate = async text => {
  try {
    if (!parsed.has(text)) parsed.set(text, jsonata(text));
    return JSON.stringify({ value: await parsed.get(text).evaluate(undefined, bindings) });
  } catch (error) {
    return JSON.stringify({ error: `${error.code}: ${error.message}` });
  }
};
