//! An ensemble that gets into trouble three times, and what a real Prometheus with the published rules makes of it.

use monitoring::story::Story;

/// The rules run sixty times as fast (`monitoring::speed`); everything else is real. That the expected alerts fire, and that they
/// end, is awaited while the story plays; here is that nothing else did.
#[test]
fn what_is_wrong_is_told_and_nothing_else() {
    let story = Story::play();
    assert_eq!(story.false_alarms(), Vec::<String>::new(), "{:#?}", story.chapters);
}
