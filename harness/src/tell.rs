//! What a run that has ended is told as: a line of a campaign's list, a failure message, a picture, and, of
//! a run whose network was tapped, a story. All of it is plain data; whoever draws it knows no system.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{
    ClockTrack, Commands, Contradiction, DeclaredMark, FAMILY_LETTERS, FailureMessage, Families,
    FigureDeclaration, Gap, History, Logged, MarkHits, RunLine, RunPicture, RunVerdict, Story,
};
use serde::Serialize;
use sim::EngineKind;
use sim::fault::{FaultFamily, FaultKind};
use sim::logs::LogLine;
use sim::trace::Event;

use crate::any::{AnySystem, ScenarioOf, Systems};
use crate::judge::Verdict;
use crate::outcome::Outcome;
use crate::plan::Plan;

const NS_PER_MS: u64 = 1_000_000;

/// A line of `seeds.jsonl`.
pub fn run_line(systems: Systems, outcome: &Outcome, plan: &Plan, corpus: Option<&str>) -> RunLine {
    let stats = &outcome.stats;
    let (verdict, reason) = match &outcome.verdict {
        Verdict::Pass => (RunVerdict::Pass, None),
        Verdict::Fail(_) => (RunVerdict::Fail, None),
        Verdict::Undecided(reason) => (RunVerdict::Undecided, Some(reason.clone())),
    };
    let fingerprints = outcome.failures().iter().map(|failure| failure.fingerprint.clone());
    let mut violated: Vec<String> = outcome.failures().iter().map(|f| f.property.clone()).collect();
    violated.sort_unstable();
    violated.dedup();
    let mut headlines: BTreeMap<String, String> = BTreeMap::new();
    for failure in outcome.failures() {
        let headline = || failure.headline.clone();
        headlines.entry(failure.property.clone()).or_insert_with(headline);
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RunLine {
        build: outcome.build.to_owned(),
        system: plan.system.clone(),
        scenario: outcome.scenario.clone(),
        seed: outcome.seed,
        engine: named(plan.engine),
        position: None,
        corpus: corpus.map(str::to_owned),
        mutant: None,
        plant: plan.plant.clone(),
        verdict,
        fingerprints: fingerprints.collect(),
        reason,
        wall_ms: stats.wall_ms,
        sim_ms: stats.simulated_ms,
        operations: stats.operations,
        acknowledged: stats.acknowledged,
        refused: stats.refused,
        unknown: stats.unknown,
        events: stats.events,
        trace_hash: format!("{:016x}", outcome.trace_hash),
        faults: stats.faults.clone(),
        missed: stats.missed.clone(),
        roles: stats.roles.clone(),
        figures: by_name(&stats.figures.counts),
        samples: by_name(&stats.figures.samples),
        checked: names(&outcome.checked),
        violated,
        headlines,
        gave_up: names(&outcome.gave_up),
        unavailable_ms: stats.unavailable_ms.clone(),
        healed_after_ms: stats.healed_after_ms,
        latencies_us: stats.latencies.clone(),
        marks: marks(systems, outcome, plan),
        repeated: None,
    }
}

fn by_name<T: Clone>(figures: &BTreeMap<&'static str, T>) -> BTreeMap<String, T> {
    figures.iter().map(|(id, value)| ((*id).to_owned(), value.clone())).collect()
}

/// What a run hit, as its line says it.
fn marks(systems: Systems, outcome: &Outcome, plan: &Plan) -> BTreeMap<String, MarkHits> {
    let hits = outcome.marks.reached().map(|(mark, seen)| {
        let names = seen.families.names();
        let letters = FAMILY_LETTERS.iter().filter(|(_, name)| names.contains(name));
        let letters = letters.map(|(letter, _)| letter).collect();
        let name = systems.of(plan).marks()[mark.index()].name;
        (name.to_owned(), MarkHits(seen.hits, letters))
    });
    hits.collect()
}

/// Every mark of the systems of these scenarios.
pub fn declared_marks(systems: Systems, scenarios: &[ScenarioOf]) -> Vec<DeclaredMark> {
    let mut marks: Vec<DeclaredMark> = Vec::new();
    for system in systems_of(systems, scenarios) {
        marks.extend(system.marks().iter().map(|mark| DeclaredMark {
            name: mark.name.to_owned(),
            kind: mark.kind.name().to_owned(),
            about: mark.about.to_owned(),
        }));
    }
    marks
}

/// What the figures of these scenarios' systems mean, each once.
pub fn declared_figures(systems: Systems, scenarios: &[ScenarioOf]) -> Vec<FigureDeclaration> {
    let mut figures: Vec<FigureDeclaration> = Vec::new();
    for figure in systems_of(systems, scenarios).flat_map(AnySystem::figure_declarations) {
        if !figures.iter().any(|other| other.id == figure.id) {
            figures.push(figure);
        }
    }
    figures
}

/// The systems of these scenarios, each once.
fn systems_of(
    systems: Systems,
    scenarios: &[ScenarioOf],
) -> impl Iterator<Item = &'static dyn AnySystem> {
    let names: BTreeSet<&str> = scenarios.iter().map(|of| of.system.name()).collect();
    systems.all().filter(move |system| names.contains(system.name()))
}

/// The message of a failed run: its first failure, and what else it violated.
pub fn message(outcome: &Outcome, plant: Option<&String>) -> Option<FailureMessage> {
    let (first, others) = outcome.failures().split_first()?;
    let mut also: Vec<(String, String)> = Vec::new();
    for failure in others {
        let known: BTreeSet<&str> = also.iter().map(|(property, _)| property.as_str()).collect();
        if failure.property != first.property && !known.contains(failure.property.as_str()) {
            also.push((failure.property.clone(), failure.headline.clone()));
        }
    }
    Some(FailureMessage {
        scenario: outcome.scenario.clone(),
        plant: plant.cloned(),
        seed: outcome.seed,
        build: outcome.build.to_owned(),
        fingerprint: first.fingerprint.clone(),
        at_ns: Some(first.at_ns),
        explanation: first.explanation(),
        faults: outcome.sketch.faults.clone(),
        roles: outcome.sketch.turns.clone(),
        also: also.into_iter().map(|(property, what)| format!("{property}: {what}")).collect(),
        runs: 1,
        commands: Commands::default(),
    })
}

/// What can be drawn of a run and of what its clients were told.
pub fn picture(systems: Systems, outcome: &Outcome, told: &History) -> RunPicture {
    let sketch = &outcome.sketch;
    let gap = |(begin_ms, length_ms): &(u64, u64)| Gap {
        from_ns: begin_ms * NS_PER_MS,
        to_ns: (begin_ms + length_ms) * NS_PER_MS,
    };
    let track = |(host, points): (&String, &Vec<(u64, i64)>)| ClockTrack {
        host: host.clone(),
        points: points.clone(),
    };
    let picture = RunPicture {
        scenario: outcome.scenario.clone(),
        seed: outcome.seed,
        kinds: systems.scenario(&outcome.scenario).map_or_else(Vec::new, |of| {
            of.system.kinds().iter().map(|kind| (*kind).to_owned()).collect()
        }),
        operations: Vec::new(),
        faults: outcome.sketch.faults.clone(),
        families: families(systems),
        roles: outcome.sketch.turns.clone(),
        clocks: sketch.clocks.iter().map(track).collect(),
        unavailable: outcome.stats.unavailable_ms.iter().map(gap).collect(),
        chaos_end_ns: sketch.chaos_end_ns,
        end_ns: sketch.end_ns,
    };
    picture.with_history(told)
}

/// The line of a run of which nothing is known, because the harness panicked.
pub fn unknown_line(systems: Systems, plan: &Plan, corpus: Option<&str>) -> RunLine {
    RunLine {
        build: systems.of(plan).build().to_owned(),
        system: plan.system.clone(),
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        engine: named(plan.engine),
        corpus: corpus.map(str::to_owned),
        plant: plan.plant.clone(),
        verdict: RunVerdict::Undecided,
        ..RunLine::default()
    }
}

/// The story of a run that was watched; none of one that was not.
pub fn story(
    systems: Systems,
    plan: &Plan,
    outcome: &Outcome,
    message: Option<&FailureMessage>,
) -> Option<Story> {
    let watched = outcome.watched.clone()?;
    let planted = plan.plant.as_ref().map_or(String::new(), |plant| format!(", bug {plant}"));
    let end_ns = outcome.sketch.end_ns;
    Some(Story {
        title: format!("{}, seed {}{planted}", outcome.scenario, outcome.seed),
        hosts: watched.hosts,
        history: outcome.history(),
        faults: outcome.sketch.faults.clone(),
        families: families(systems),
        roles: outcome.sketch.turns.clone(),
        contradiction: message.map(|message| Contradiction {
            explanation: message.explanation.clone(),
            at_ns: message.at_ns.unwrap_or(end_ns),
        }),
        arrows: watched.arrows,
        steps: watched.steps,
        spans: watched.spans,
        durable: watched.durable,
        log: outcome.log.iter().map(logged).collect(),
        tones: watched.tones,
        end_ns,
    })
}

/// One event of the world, as `trace.jsonl` has it.
#[derive(Serialize)]
struct TraceLine {
    at_ns: u64,
    text: String,
}

/// Events of the world as `trace.jsonl` has them.
pub fn trace_lines(events: &[Event]) -> String {
    let lines = events.iter().map(|event| {
        let line = TraceLine { at_ns: event.at_ns, text: event.to_string().trim().to_owned() };
        serde_json::to_string(&line).expect("a number and a text are JSON") + "\n"
    });
    lines.collect()
}

/// A line of a program's log, as `log.jsonl` has it.
#[derive(Serialize)]
struct LoggedLine<'a> {
    host: &'a str,
    #[serde(flatten)]
    line: serde_json::Value,
}

/// A line of a program's log, as diagrams show it.
fn logged((host, line): &(String, LogLine)) -> Logged {
    let fields = line.fields.iter().map(|(name, value)| format!("{name}={value}"));
    let texts = line.spans.iter().map(|span| format!("{span}:"));
    let texts: Vec<String> = texts.chain([line.message.clone()]).chain(fields).collect();
    Logged {
        host: host.clone(),
        at_ns: line.at_ns,
        level: line.level.clone(),
        target: line.target.clone(),
        text: texts.join(" "),
    }
}

/// What programs logged until then, as `log.jsonl` has it: the host by its name.
pub fn log_lines(log: &[(String, LogLine)], until_ns: u64) -> String {
    let lines = log.iter().filter(|(_, line)| line.at_ns <= until_ns).map(|(host, line)| {
        let mut line = serde_json::to_value(line).expect("a log line is plain data");
        if let Some(fields) = line.as_object_mut() {
            fields.remove("host");
        }
        let line = LoggedLine { host, line };
        serde_json::to_string(&line).expect("texts and numbers are JSON") + "\n"
    });
    lines.collect()
}

/// The kinds of faults that every system meets, by name, with their family, what they are and the worlds that
/// have them in a sentence.
pub fn fault_kinds() -> Vec<(&'static str, String)> {
    let told = |kind: &FaultKind| {
        let engines: Vec<String> = kind.engines().iter().map(ToString::to_string).collect();
        let mut letters = kind.about().trim_end_matches('.').chars();
        let first = letters.next().into_iter().flat_map(char::to_lowercase);
        let about: String = first.chain(letters).collect();
        (kind.tag(), format!("{}: {about} ({})", kind.family().name(), engines.join(", ")))
    };
    FaultKind::ALL.iter().filter(|kind| **kind != FaultKind::Own).map(told).collect()
}

/// The family of each kind of fault, those of the systems' own kinds among them.
pub fn families(systems: Systems) -> Families {
    let of_worlds = FaultKind::ALL.iter().map(|kind| (kind.tag(), kind.family().name()));
    let own = systems.all().flat_map(|system| system.own_faults());
    of_worlds.chain(own.map(|own| (own.name, FaultFamily::Own.name()))).collect()
}

/// The name of a world, unless it is the default: what results say of it.
pub fn named(engine: EngineKind) -> Option<String> {
    (!engine.is_default()).then(|| engine.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_worlds_is_told_and_a_systems_own_is_its_own_to_tell() {
        let told: Vec<&str> = fault_kinds().into_iter().map(|(name, _)| name).collect();
        let all = FaultKind::ALL.iter().map(|kind| kind.tag());
        assert_eq!(told, all.filter(|tag| *tag != "own").collect::<Vec<_>>());
        assert_eq!(told.len(), FaultKind::ALL.len() - 1);
    }
}
