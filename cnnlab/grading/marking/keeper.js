// Decisions go to the server one by one, in order, and again until they are kept.
const TOKEN = document.querySelector("meta[name=token]").content;
const SOON = 400, LATE = 4000; // milliseconds until it is said again

export class Keeper {
  /**
   * known(label, item): what stands there as far as this page knows, or null;
   * kept(job, reply), refused(job, reason), changed(): what to do then.
   */
  constructor({ known, kept, refused, changed }) {
    Object.assign(this, { known, kept, refused, changed });
    this.queue = [];
    this.trouble = "";
    this.running = false;
  }

  /** What waits to be kept for one item, in order. */
  waiting(label, item) {
    return this.queue.filter((job) => job.label === label && job.item === item);
  }

  /** Keep a decision: {label, item, action, points, comment, sha256}. */
  put(job) {
    const last = this.queue.at(-1);
    const again = this.queue.length > 1 && last.label === job.label && last.item === job.item;
    if (again && last.action === "mark" && job.action === "mark") this.queue.pop();
    this.queue.push(job);
    this.changed();
    if (!this.running) this.run();
  }

  /** Wait until all is kept. */
  async idle() {
    while (this.running) await new Promise((resume) => setTimeout(resume, 30));
  }

  async run() {
    this.running = true;
    for (let pause = SOON; this.queue.length; ) {
      const job = this.queue[0];
      // what it is to replace; the same when it is said again, so that it counts once
      job.top ??= this.known(job.label, job.item)?.top ?? "";
      try {
        await this.send(job);
        this.trouble = "";
        pause = SOON;
      } catch (error) {
        this.trouble = error.message;
        this.changed();
        await new Promise((resume) => setTimeout(resume, pause));
        pause = Math.min(2 * pause, LATE);
      }
    }
    this.running = false;
    this.changed();
  }

  async send(job) {
    const headers = { "Content-Type": "application/json", "X-Token": TOKEN };
    const request = { method: "POST", headers, body: JSON.stringify(job) };
    const reply = await fetch("/decisions", request).catch(() => {
      throw new Error("the server does not answer; trying again");
    });
    if (reply.ok) {
      const said = await reply.json();
      this.queue.shift();
      this.kept(job, said);
    } else if (reply.status === 400) {
      const reason = await reply.text();
      this.queue.shift();
      this.refused(job, reason);
    } else throw new Error(`${await reply.text()}; trying again`);
  }
}
