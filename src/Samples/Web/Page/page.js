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

let asked = 0;

async function ask() {
  const turn = ++asked;
  complain("");
  element("result").setAttribute("aria-busy", "true");
  submit.disabled = true;
  try {
    const response = await fetch("/predict", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text: text.value }) });
    const body = await response.json().catch(() => ({}));
    if (turn !== asked) return;
    if (response.ok) show(body);
    else complain(body.detail ?? `The service answered with ${response.status}.`);
  } catch {
    if (turn === asked) complain("The service cannot be reached.");
  } finally {
    if (turn === asked) {
      element("result").removeAttribute("aria-busy");
      submit.disabled = false;
    }
  }
}

async function showModel() {
  const model = element("model"), line = element("model-text");
  try {
    const health = await (await fetch("/health", { cache: "no-store" })).json();
    model.dataset.status = health.status;
    line.textContent = health.model
      ? `Model ${health.model.version}, saved ${new Date(health.model.savedAt).toLocaleString()}; ${health.model.classes.length} classes: ${health.model.classes.join(", ")}.`
        + (health.status === "Healthy" ? "" : ` ${health.reason}`)
      : health.reason;
  } catch {
    model.dataset.status = "Unhealthy";
    line.textContent = "The service cannot be reached.";
  }
  // A service without a model is asked again soon, one that serves only now and then.
  setTimeout(showModel, model.dataset.status === "Healthy" ? 30000 : 2000);
}

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
