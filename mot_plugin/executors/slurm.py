"""slurm: one job a step, in the order that their dependencies say. Slurm runs them whether anybody watches or not."""

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from mot_plugin import state
from mot_plugin.executors import slurm_queue
from mot_plugin.executors.slurm_job import GONE, LEAVING, NEVER, Job, ending, log, name, sbatch, script
from mot_plugin.executors.work import Detached, Outcome, Watcher, Work
from mot_plugin.folder import Folder
from mot_plugin.processes import tail
from mot_plugin.step import Step
from mot_plugin.store import Store

TICK_SECONDS = 0.5
LATE_SECONDS = 60.0
"""How long a record may take to be seen here once its job has ended well: other computers write it."""


def run(work: Work, tell: Watcher) -> Outcome:
    """Submit what has to run and is not in the queue yet, then watch. Whoever stops watching leaves the jobs where they are."""
    ids: dict[str, str] = {}
    ended: set[str] = set()
    store, prints = Folder(work.folder).store(), work.plan.prints
    records = {step.name: store.record(prints[step.name]) for step in work.todo}
    before = {step: record.started for step, record in records.items() if record and record.state != "running"}
    try:
        submit(work, tell, ids, ended)
        if work.detach:
            raise Detached(
                f"{len(ids)} jobs are in Slurm's queue and run without being watched\n"
                f"`mot-plugin status {work.folder}` shows how far they are; the same command without --detach watches them; "
                f"`mot-plugin stop {work.folder}` cancels them."
            )
        return _Watch(work, tell, ids, store, before, ended, done=set(ended)).run()
    except KeyboardInterrupt:
        missing = len({step.name for step in work.todo} - ids.keys() - ended)
        raise KeyboardInterrupt(
            f"stopped watching; {len(ids.keys() - ended)} jobs stay in Slurm's queue and go on"
            + (f", {missing} more steps were not submitted yet" if missing else "")
            + f"\nThe same command watches again; `mot-plugin stop {work.folder}` cancels them."
        ) from None


def submit(work: Work, tell: Watcher, ids: dict[str, str], ended: set[str]) -> None:
    """Fill `ids` with the job of every step: one that is in the queue, or a new one.

    A step whose job ended after the plan was judged and before the queue was asked needs none: it goes into `ended`.
    """
    folder = Folder(work.folder)
    store = folder.store()
    jobs = [job for job in slurm_queue.listed() if job.live]
    stale = _stale(work, folder, store, jobs)
    slurm_queue.cancel(stale)
    slurm_queue.away(stale)  # they write below the same names
    queued = {job.name: job for job in jobs if job not in stale}
    fresh, found = set[str](), state.judge(work.plan, store, {})
    for number, step in enumerate(work.todo, 1):
        called = name(store, work.plan.prints[step.name])
        there = queued.get(called)
        if there and there.waiting and (there.reason == NEVER or fresh & {*step.needs}):
            slurm_queue.cancel([there])  # it waits for a job that has failed
            there = None
        if there is None and found[step.name].state == "done":
            ended.add(step.name)
            if store.fresh(work.plan.prints[step.name]):  # else nobody needs it any more
                folder.link(work.plan, step, store)
            tell("done", step, number)
        elif there is None:
            after = [ids[need] for need in step.needs if need in ids]
            log(work.folder, step.name, "").parent.mkdir(parents=True, exist_ok=True)
            ids[step.name] = _submit(work, step, called, after)
            fresh.add(step.name)
            tell("queued", step, number, f"Slurm job {ids[step.name]}")
        else:
            ids[step.name] = there.id
            tell("queued", step, number, f"{there.place}, there already")


def _submit(work: Work, step: Step, called: str, after: list[str]) -> str:
    argv = sbatch(work, step, called, after)
    try:
        return slurm_queue.submit(argv, script(work, step), called)
    except slurm_queue.Refused as error:
        raise slurm_queue.Refused(
            f"Slurm refused the job of {step.name}\n  {error}\n  asked     {shlex.join(argv)}\n"
            f"Mend `slurm` or `steps.{step.kind}` in the machine file and run again; jobs that are in the queue are kept."
        ) from None


def _stale(work: Work, folder: Folder, store: Store, jobs: list[Job]) -> list[Job]:
    """Jobs of an earlier plan of this run that neither this plan nor that of a run beside it knows."""
    wanted = {print_ for plan in (work.plan, *folder.neighbours()) for print_ in plan.prints.values()}
    names = {name(store, print_) for print_ in wanted}
    return [job for job in jobs if job.of(work.folder) and job.name not in names]


@dataclass
class _Watch:
    """What is known of the jobs, from the queue and from the records."""

    work: Work
    tell: Watcher
    ids: Mapping[str, str]
    store: Store
    before: Mapping[str, float]
    """When the attempt began whose record was there before anything was submitted."""
    ended: set[str]
    """Filled with the steps that have ended, however they did."""
    done: set[str]
    """Those that ended well."""
    seen: dict[str, str] = field(default_factory=dict)
    """Step -> what its job was seen to do last: queued or start."""
    late: dict[str, float] = field(default_factory=dict)
    """Step -> when its job was seen to have ended, while its record does not say how."""
    held: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        left = [(number, step) for number, step in enumerate(self.work.todo, 1) if step.name not in self.done]
        while True:
            jobs = {job.id: job for job in slurm_queue.listed(slurm_queue.PATIENT_TRIES)}
            left = [(number, step) for number, step in left if not self._over(number, step, jobs)]
            self.ended.update({step.name for step in self.work.todo} - {step.name for _, step in left})
            if not left:
                return Outcome(self.failed, tuple(self.blocked))
            self._wait(left)

    def _wait(self, left: list[tuple[int, Step]]) -> None:
        """Until the queue is asked again; who watches may look at what runs meanwhile."""
        running = [(number, step) for number, step in left if self.seen.get(step.name) == "start"] or left[:1]
        until = time.monotonic() + self.work.machine.slurm.poll_seconds
        while (pause := min(TICK_SECONDS, until - time.monotonic())) > 0:
            for number, step in running:
                self.tell("tick", step, number)
            time.sleep(pause)

    def _over(self, number: int, step: Step, jobs: Mapping[str, Job]) -> bool:
        """Look at one step, tell what is new, say whether that was the end of it."""
        job = jobs.get(self.ids[step.name])
        if job is not None and job.going:
            self._news("start", number, step, job)
            return False
        if any(need in self.failed or need in self.blocked for need in step.needs):
            slurm_queue.cancel(
                [job] if job is not None and job.live else []
            )  # Slurm does it, too, unless it was told not to
            self.blocked.append(step.name)
            self.tell("blocked", step, number)
            return True
        if job is not None and job.waiting:
            self._news("queued", number, step, job)
            return False
        if any(need in self.ids and need not in self.done for need in step.needs) or (job and job.state == LEAVING):
            return False  # what it waited for has ended, and how is not known yet
        return self._judged(number, step, job)

    def _news(self, event: str, number: int, step: Step, job: Job) -> None:
        was, self.seen[step.name] = self.seen.get(step.name, "queued"), event
        if event == "start" != was:
            self.tell("start", step, number, job.place)
        elif event == "queued" != was:
            self.tell("queued", step, number, f"{job.place} waits again: {job.reason}")
        elif event == "queued" and job.held and step.name not in self.held:
            self.held.add(step.name)
            self.tell(
                "queued", step, number, f"{job.place} is held: {job.reason} (`scontrol release {job.id}` lets it go on)"
            )

    def _judged(self, number: int, step: Step, job: Job | None) -> bool:
        """A job has ended: what does the record of its step say?"""
        fingerprint, state = self.work.plan.prints[step.name], job.state if job else GONE
        record, fresh = self.store.record(fingerprint), self.store.fresh(fingerprint)
        new = record is not None and record.started != self.before.get(step.name)
        if self.store.whole(fingerprint) or (fresh and (new or state == "COMPLETED")):
            self.done.add(step.name)
            Folder(self.work.folder).link(self.work.plan, step, self.store)  # the job may be that of another run
            self.tell("done", step, number)
            return True
        said = record.error if record is not None and (new or state == "FAILED") else None
        if record is None or said is None or record.state != "failed":
            since = self.late.setdefault(step.name, time.monotonic())
            patience = {"COMPLETED": LATE_SECONDS, "FAILED": self._polls(2), GONE: self._polls(2)}.get(state, 0.0)
            if time.monotonic() - since < patience:
                return False
            said = self._reason(step, state, said if new else None)
        self.failed[step.name] = said
        self.tell("failed", step, number, said)
        return True

    def _polls(self, count: int) -> float:
        return count * self.work.machine.slurm.poll_seconds

    def _reason(self, step: Step, state: str, said: str | None) -> str:
        """Slurm's word, where the step itself had no time for one."""
        number = self.ids[step.name]
        file = log(self.work.folder, step.name, number)
        words = tail(file, 3)
        return "\n".join(
            [
                f"Slurm job {number} ended: {ending(state, step.kind)}" + (f" ({said})" if said else ""),
                f"  its log   {file}" + (", last lines:" if words else ", which is empty"),
                *(f"    {line}" for line in words.splitlines()),
            ]
        )
