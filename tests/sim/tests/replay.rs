//! The same seed does the same, byte for byte.

use sim::run::Run;

#[test]
fn a_seed_does_the_same_twice_and_another_does_something_else() {
    let mut traces = Vec::new();
    for seed in [1, 2, 5, 7, 10] {
        let (first, second) = (Run::of(seed).execute(), Run::of(seed).execute());
        assert_eq!(first.trace, second.trace, "seed {seed}: what happened, in every byte");
        assert_eq!(first.steps, second.steps, "seed {seed}: steps");
        assert_eq!(first.coverage, second.coverage, "seed {seed}: what was exercised");
        assert_eq!(first.examined, second.examined, "seed {seed}: what was compared");
        traces.push(first.trace);
    }
    let count = traces.len();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), count, "every seed is another run");
}

#[test]
fn a_run_can_be_stopped_at_a_step() {
    let whole = Run::of(5).execute();
    let part = Run { until: Some(whole.steps / 2), ..Run::of(5) }.execute();
    assert_eq!(part.steps, whole.steps / 2);
    assert!(part.operations < whole.operations, "{} of {} operations", part.operations, whole.operations);
}
