"use strict";

const element = id => document.getElementById(id);
const form = element("ask"), text = element("text"), submit = form.querySelector("[type=submit]");
const percent = value => value >= 0.9995 ? "> 99.9 %" : value < 0.0005 ? "< 0.1 %" : `${(100 * value).toFixed(1)} %`;

function show(prediction) {
  element("answer").textContent = `${prediction.label}, ${percent(prediction.probabilities[0].probability)}`;
  element("bars").replaceChildren(...prediction.probabilities.map(bar));
  element("result").hidden = false;
}

function bar({ label, probability }) {
  const item = document.createElement("li");
  const part = (className, content, parent = item, tag = "span") => {
    const node = document.createElement(tag);
    node.className = className;
    node.textContent = content;
    parent.append(node);
    return node;
  };
  part("name", label);
  part("value", percent(probability));
  const track = part("track", "", item, "div");
  track.setAttribute("aria-hidden", "true"); // the number beside it says the same
  part("fill", "", track).style.setProperty("--share", `${100 * probability}%`);
  return item;
}

function complain(message) {
  element("problem").textContent = message;
  element("problem").hidden = !message;
  if (message) element("result").hidden = true; // an earlier answer is not this question's
}

let asked = 0, answered = "";
// Before the models' names have come the first one is asked.
const address = what => element("model-name").value ? `/models/${encodeURIComponent(element("model-name").value)}/${what}` : `/${what}`;

async function post(what, question) {
  const response = await fetch(address(what), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text: question }) });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `The service answered with ${response.status}.`);
  return body;
}

/** Runs one question at a time: what an earlier one is answered with is not shown any more. */
async function turnOf(button, work) {
  const turn = ++asked, isLast = () => turn === asked;
  complain("");
  element("result").setAttribute("aria-busy", "true");
  submit.disabled = button.disabled = true;
  try {
    await work(isLast);
  } catch (error) {
    if (isLast()) complain(error instanceof TypeError ? "The service cannot be reached." : error.message);
  } finally {
    if (isLast()) element("result").removeAttribute("aria-busy");
    if (isLast()) submit.disabled = element("explain").disabled = false;
  }
}

const ask = () => turnOf(submit, async isLast => {
  const question = text.value, prediction = await post("predict", question);
  if (!isLast()) return;
  answered = question;
  element("why").hidden = true;
  show(prediction);
});

const explain = () => turnOf(element("explain"), async isLast => {
  const question = answered, explanation = await post("explain", question);
  if (isLast()) showWords(question, explanation);
});

/** The text with its words coloured: how strongly by the largest attribution of any word. */
function showWords(question, { label, words }) {
  const most = Math.max(...words.map(w => Math.abs(w.attribution)), 1e-9), parts = [];
  let end = 0;
  for (const { start, length, attribution } of words) {
    if (start < end) continue;
    parts.push(question.slice(end, start));
    const share = Math.abs(attribution) / most, span = document.createElement("span");
    span.textContent = question.slice(start, start + length);
    if (share >= 0.05) {
      span.className = attribution > 0 ? "word for" : "word against";
      span.style.setProperty("--strength", `${Math.round(60 * share)}%`);
      span.title = `${attribution > 0 ? "+" : "−"}${Math.abs(attribution).toFixed(2)}`;
    }
    parts.push(span);
    end = start + length;
  }
  element("words").replaceChildren(...parts, question.slice(end));
  element("why-label").textContent = `What speaks for ${label}, and what against it:`;
  element("why").hidden = false;
}

function showChoice(models) {
  const choice = element("model-name"), names = models.map(m => m.name);
  if (names.join("\n") === [...choice.options].map(o => o.value).join("\n")) return;
  choice.replaceChildren(...names.map(name => new Option(name, name)));
  element("choice").hidden = names.length < 2;
}

async function showModel() {
  const model = element("model"), line = element("model-text");
  try {
    const health = await (await fetch("/health", { cache: "no-store" })).json();
    showChoice(health.models);
    const { serves, problem } = health.models.find(m => m.name === element("model-name").value);
    model.dataset.status = !serves ? "Unhealthy" : problem ? "Degraded" : "Healthy";
    line.textContent = serves
      ? `Model ${serves.version}, saved ${new Date(serves.savedAt).toLocaleString()}; ${serves.classes.length} classes: ${serves.classes.join(", ")}.`
        + (problem ? ` The model before serves on. ${problem}` : "")
      : health.reason;
  } catch {
    model.dataset.status = "Unhealthy";
    line.textContent = "The service cannot be reached.";
  }
  // A service without a model is asked again soon, one that serves only now and then.
  clearTimeout(showModel.next);
  showModel.next = setTimeout(showModel, model.dataset.status === "Healthy" ? 30000 : 2000);
}

element("explain").addEventListener("click", explain);
element("model-name").addEventListener("change", () => {
  element("result").hidden = true;
  showModel();
});
form.addEventListener("submit", event => {
  event.preventDefault();
  ask();
});
text.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
for (const example of document.querySelectorAll(".example"))
  example.addEventListener("click", () => {
    text.value = example.textContent;
    form.requestSubmit();
  });
showModel();
