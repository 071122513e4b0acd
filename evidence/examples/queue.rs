//! Evidence of a message queue that nobody else knows: what two of its runs come to, and an
//! explanation of what went wrong in a third.

use evidence::{
    ExplainLine, Explanation, FigureDeclaration, RunLine, RunVerdict, Utilization, words,
};

fn main() {
    let about = "from the loss of a consumer until another one took over";
    let declared = [
        FigureDeclaration::count("redeliveries", "redeliveries").required(),
        FigureDeclaration::count("rebalances", "rebalances").required(),
        FigureDeclaration::samples_ms("takeovers", "takeovers", about),
    ];
    let run = |seed, redeliveries, takeovers_ms: &[u64]| RunLine {
        system: "queue".to_owned(),
        scenario: "queue/at-least-once".to_owned(),
        seed,
        verdict: RunVerdict::Pass,
        sim_ms: 30_000,
        operations: 500,
        figures: [("redeliveries".to_owned(), redeliveries)].into(),
        samples: [("takeovers".to_owned(), takeovers_ms.to_vec())].into(),
        ..RunLine::default()
    };
    let runs = [run(1, 3, &[210, 900]), run(2, 0, &[])];
    let sum = Utilization::of(&runs, &declared);
    let runs = words::count(sum.runs.total, "run");
    println!("{runs}, {} simulated", words::duration(sum.sim_ms));
    for (figure, value) in sum.told(&declared) {
        println!("  {}", figure.in_words(value));
    }
    println!("  never seen: {}", sum.unseen(&declared).join(", "));

    let line = |client: &str, text: &str, at_ns, note: &str| ExplainLine {
        client: client.to_owned(),
        text: text.to_owned(),
        from_ns: Some(at_ns),
        to_ns: Some(at_ns + 4_000_000),
        note: note.to_owned(),
    };
    let lost = Explanation {
        property: "at least once".to_owned(),
        headline: "message 17 was acknowledged and never delivered".to_owned(),
        lines: vec![
            line("p1", "send 17 → ok", 2_100_000_000, "so it must arrive"),
            line("q2", "drops 17", 2_300_000_000, "its only copy"),
        ],
        contradiction: Some(1),
    };
    println!("\n{lost}\n\nkind of failure: {}", lost.fingerprint());
}
