/** What the verifier says of the record. It reads every byte, so it is asked again until it has finished. */

const PERIOD = 1000;
const WORDS = {
  checking: ["Verifying…", "Every byte of the record is being compared with its ledger."],
  intact: ["Intact", "Every byte is as it was recorded, and the ledger is signed by the key that you gave."],
  unpinned: ["Signer unknown", "Every byte fits the ledger, but anybody may have made both: start with --key to know who signed."],
  recovered: ["Recovered", "A recovery closed this record. Only the part that its recorder had signed is evidence."],
  "other-key": ["Another signer", "Every byte fits the ledger, but another key has signed it than the one that you gave."],
  open: ["Not closed", "What there is, is in order; but the record has no end."],
  altered: ["Altered", "Something was changed, added or removed."],
  unverified: ["Not verified", "The record was not verified."],
};

export class Badge {
  #element;
  #dialog;

  /** @param {HTMLElement} element a button @param {HTMLDialogElement} dialog @param {object} about of the record */
  constructor(element, dialog, about) {
    this.#element = element;
    this.#dialog = dialog;
    this.#show({ state: "unverified", problem: "" });
    const facts = [["Record", about.id], ["Head of the ledger", about.head], ["Key", about.key]];
    dialog.querySelector("dl").replaceChildren(...facts.flatMap(([term, value]) => [make("dt", term), make("dd", value)]));
    element.addEventListener("click", () => dialog.showModal());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }

  async run() {
    for (;;) {
      const found = await this.#ask();
      this.#show(found);
      if (found.state !== "checking") return;
      await new Promise((resolve) => setTimeout(resolve, PERIOD));
    }
  }

  async #ask() {
    try {
      const response = await fetch("verification.json");
      if (!response.ok) throw new Error(`the player answered ${response.status}`);
      return await response.json();
    } catch (error) {
      return { state: "unverified", problem: error.message };
    }
  }

  #show({ state, problem, share, file, line }) {
    const [word, sentence] = WORDS[state] || WORDS.unverified;
    const part = state === "checking" && share ? ` ${Math.floor(share * 100)} %` : "";
    this.#element.dataset.state = state;
    this.#element.querySelector("span").textContent = word + part;
    this.#element.querySelector("use").setAttribute("href", state === "intact" ? "#i-shield-check" : "#i-shield");
    const place = [file, line ? `line ${line} of the ledger` : ""].filter(Boolean).join(", ");
    const why = problem ? ` ${place ? `${place}: ` : ""}${problem}` : "";
    this.#dialog.querySelector(".verdict").textContent = sentence + why;
    this.#element.title = word;
  }
}

function make(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
