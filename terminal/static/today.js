// The pages beside the counter: today's list, the end of the day, taking a settlement
// back. It uses what counter.js offers and, like it, has no words and no figures.
"use strict";

/** The cancellation on its way: its settlement and the key it is sent under. */
let takingBack = null;
let busy = false; // a key of this page began something that is under way

/** Bring list, totals, paper and lights in line with what the terminal knows. */
async function refreshPage() {
  try {
    const answer = await call("GET", location.href);
    if (answer.ok) {
      swap(await answer.text());
    }
  } catch {
    // The terminal is away for a moment: the next look will tell.
  }
}

/** Keep what is shown as fresh as it is, without taking anybody's focus. */
async function keep() {
  const outcome = byId("outcome");
  const waits = outcome?.dataset.open === "true";
  const used = document.querySelector("dialog[open]") || byId("list")?.contains(document.activeElement);
  if (waits) {
    await lookAtOutcome(outcome);
  }
  if (byId("list") && !used) {
    await refreshPage();
  }
  setTimeout(keep, LIST_MS);
}

/** Lock a key while what it began is under way. */
async function locked(button, work) {
  busy = true;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    busy = false;
    button.removeAttribute("aria-disabled");
  }
}

// -- the end of the day -----------------------------------------------------------

async function reconcile() {
  const form = byId("day-form");
  if (busy || !form.reportValidity()) {
    return;
  }
  await locked(byId("reconcile"), async () => {
    warn("");
    say(form.dataset.running);
    forgetReconciliation(form.dataset.running);
    const date = form.elements.namedItem("date").value;
    const answer = await ask("POST", "/counter/fragment/reconciliation", { date });
    if (answer === null) {
      forgetReconciliation();
      byId("alert").scrollIntoView({ block: "nearest" });
      return;
    }
    swap(await answer.text());
    say(byId("reconciled").dataset.said);
  });
}

/** Take an earlier result away: it no longer says how things stand. */
function forgetReconciliation(text = "") {
  const empty = document.createElement("div");
  empty.id = "reconciled";
  empty.className = "hint";
  empty.textContent = text;
  byId("reconciled")?.replaceWith(empty);
}

// -- taking a settlement back -----------------------------------------------------

function askCancel(button) {
  const dialog = byId("cancel-dialog");
  dialog.dataset.id = button.dataset.id;
  for (const fact of ["bill", "who", "total", "cash"]) {
    byId(`cancel-${fact}`).textContent = button.dataset[fact];
  }
  byId("cancel-said").textContent = "";
  dialog.showModal();
}

/** Send what a person decides about a settlement, with the reason; say if it was sent. */
async function decide(button, what) {
  const reason = busy ? null : window.prompt(button.dataset.ask);
  if (!reason?.trim()) {
    return false;
  }
  await locked(button, async () => {
    warn("");
    const path = `/api/v1/settlements/${encodeURIComponent(button.dataset.id)}/${what}`;
    const answer = await ask("POST", path, { reason: reason.trim().slice(0, 200) });
    if (answer === null) {
      byId("alert").scrollIntoView({ block: "nearest" });
    }
  });
  await refreshPage();
  return true;
}

/** Take over a cancellation that was made at the centre. */
async function adopt(button) {
  if ((await decide(button, "adopt-cancellation")) && byId("day-form")) {
    await reconcile();
  }
}

/** Send the cancellation once; where no answer came, the same key is sent again. */
async function cancel() {
  const dialog = byId("cancel-dialog");
  const id = dialog.dataset.id;
  if (busy) {
    return;
  }
  if (takingBack?.id !== id) {
    takingBack = { id, key: crypto.randomUUID() };
  }
  await locked(byId("cancel-yes"), async () => {
    warn("");
    byId("cancel-said").textContent = dialog.dataset.sending;
    try {
      const path = `/api/v1/settlements/${encodeURIComponent(id)}/cancellation`;
      const headers = { ...asJson, "Idempotency-Key": takingBack.key };
      await cancelled(id, await call("POST", path, "{}", headers));
    } catch {
      refuse(document.body.dataset.failed);
    }
  });
}

async function cancelled(id, answer) {
  const copy = answer.clone();
  const told = await answer.json();
  if (answer.status < 500) {
    takingBack = null;
  }
  if (told.settlement_id) {
    await showOutcome(id);
  } else {
    refuse(await sentenceOf(copy));
  }
  await refreshPage();
}

function refuse(sentence) {
  byId("cancel-dialog").close();
  warn(sentence);
  byId("alert").scrollIntoView({ block: "nearest" });
}

async function showOutcome(id) {
  const shown = await show(`cancellation/${encodeURIComponent(id)}`);
  byId("cancel-dialog").close();
  forgetReconciliation();
  if (shown) {
    byId("outcome").focus();
  }
}

/** Ask how an undecided cancellation stands; redraw only when that has changed. */
async function lookAtOutcome(outcome) {
  try {
    const answer = await call("GET", `/counter/fragment/cancellation/${encodeURIComponent(outcome.dataset.id)}`);
    const html = answer.ok ? await answer.text() : "";
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("outcome");
    if (fresh !== null && fresh.dataset.state !== outcome.dataset.state) {
      swap(html);
      say(byId("outcome-title").textContent.replace(/\s+/g, " "));
      forgetReconciliation();
      await refreshPage();
    }
  } catch {
    // The terminal is away for a moment: the next look will tell.
  }
}

// -- keys -------------------------------------------------------------------------

if (document.body.dataset.page !== "page") {
  const dialog = byId("cancel-dialog");
  const dayKeys = { F7: () => byId("day-form") && reconcile(), F9: () => byId("pdf")?.click() };
  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey;
    if (event.repeat && event.key === "Enter") {
      // A held Enter would open the question and answer it.
      event.preventDefault();
    } else if (event.key in dayKeys && plain) {
      event.preventDefault();
      if (!event.repeat && !dialog?.open) {
        dayKeys[event.key]();
      }
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button?.dataset.action === "ask-cancel") {
      askCancel(button);
    } else if (button?.dataset.action === "adopt") {
      adopt(button);
    } else if (button?.dataset.action === "look-again") {
      decide(button, "look-again");
    } else if (button?.dataset.action === "keep" && !busy) {
      dialog.close();
    }
  });
  document.addEventListener("submit", (event) => {
    const forms = { "day-form": reconcile, "cancel-form": cancel };
    if (event.target.id in forms) {
      event.preventDefault();
      forms[event.target.id]();
    }
  });
  dialog?.addEventListener("cancel", (event) => {
    if (busy) {
      event.preventDefault(); // it has been sent: the answer closes the question
    }
  });
  if (byId("list") || byId("outcome")) {
    setTimeout(keep, LIST_MS);
  }
}
