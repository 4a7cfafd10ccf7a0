//! A recording of an engine replays to the same outputs.

use chopped_chat::replay::replay;
use sim::run;
use std::fs;
use std::path::Path;

#[test]
fn what_the_simulation_recorded_replays() {
    let mut replayed = 0;
    for seed in 1..=40 {
        let recordings = run(seed, true).unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.why)).recordings;
        for recording in recordings.iter().filter(|recording| !recording.is_empty()) {
            let report = replay(recording).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
            assert_eq!(report.differs, None, "seed {seed}");
            replayed += report.outputs;
        }
    }
    assert!(replayed > 10_000, "{replayed} outputs");
}

/// Recorded in browsers: by `cargo xtask test e2e`, which leaves them in `target/recordings/` and `target/screenshots/`. Where
/// the engine does otherwise on purpose they are to be recorded anew.
#[test]
fn what_browsers_recorded_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let mut files = 0;
    for file in fs::read_dir(folder).expect("the recordings").map(|entry| entry.expect("a file").path()) {
        let text = fs::read_to_string(&file).expect("text");
        let report = replay(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        assert_eq!(report.differs, None, "{}", file.display());
        assert!(report.inputs > 20 && report.outputs > 20, "{}: {} inputs", file.display(), report.inputs);
        files += 1;
    }
    assert!(files > 0, "no recording");
}

#[test]
fn a_recording_of_another_engine_differs() {
    let recording = run(1, true).expect("seed 1 holds").recordings.remove(0);
    let changed = recording.replacen("\"kind\":\"request\"", "\"kind\":\"abort\"", 1);
    assert_ne!(recording, changed);
    let report = replay(&changed).expect("a recording");
    assert!(report.differs.expect("a difference").contains("replayed {\"kind\":\"request\""));
}

#[test]
fn what_is_no_whole_recording_says_so() {
    for (text, why) in [
        ("", "it is empty"),
        ("hello", "line 1"),
        ("{}", "no config"),
        (r#"{"config":{},"dropped":3}"#, "first 3 inputs are missing"),
        (r#"{"config":{"supabase_url":"x","my_id":"a","seed":"1"}}"#.to_owned().leak(), ""),
        (
            "{\"config\":{\"supabase_url\":\"x\",\"my_id\":\"a\",\"seed\":\"1\"}}\n{\"input\":{\"kind\":\"?\"}}",
            "line 2",
        ),
    ] {
        match replay(text) {
            Ok(report) => assert!(why.is_empty() && report.inputs == 0, "{text}"),
            Err(said) => assert!(!why.is_empty() && said.contains(why), "{text}: {said}"),
        }
    }
}
