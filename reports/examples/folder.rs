//! Writes the folder of a small campaign with one failure, and its report; prints what to open.
//!
//! The folder goes where the first argument says, or among the temporary files.

use std::error::Error;
use std::path::PathBuf;

use evidence::{RunLine, RunVerdict, Summary, Utilization, example};
use reports::{FailureFiles, OutputFolder, Report, closing_line, failure_text, write_story};

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let output = OutputFolder::create(&root, "squall-example")?;

    let (message, history) = (example::message(), example::history(200));
    let picture = example::picture().with_history(&history);
    let files = FailureFiles {
        plan: "{}\n",
        message: &message,
        sim_ms: 30_000,
        history: &history,
        picture: &picture,
        trace: None,
    };
    files.write(&output)?;
    let folder = FailureFiles::folder(&message.fingerprint);
    write_story(&example::story(history, example::explanation()), &output, &folder)?;

    let passed = example::run_line();
    let failed = RunLine {
        seed: message.seed,
        verdict: RunVerdict::Fail,
        fingerprints: vec![message.fingerprint.clone()],
        violated: vec![message.explanation.property.clone()],
        ..passed.clone()
    };
    let lines = [RunLine { seed: 1, ..passed }, failed];
    for line in &lines {
        output.append("seeds.jsonl", &line.to_json_line())?;
    }
    let mut summary = Summary {
        utilization: Utilization::of(&lines, &example::figures()),
        undecided: Vec::new(),
        ..example::summary()
    };
    summary.failures[0].count = 1;
    output.write("summary.json", summary.to_json().as_bytes())?;

    println!("{}\n{}\n", failure_text(&message), closing_line(&summary));
    for path in Report::read(&[output.path()])?.write(&output.path())? {
        println!("{}", path.display());
    }
    Ok(())
}
