//! How steps in containers end.

use gadugi_core::StepExit;

use crate::common::code;
use crate::stage::Stage;

#[tokio::test]
async fn output_and_exit_codes_come_back() {
    let stage = Stage::new().await;
    let (lines, ended) = stage.run_script("echo one; echo two >&2; pwd; printf three").await;
    assert_eq!(lines, ["one", "/workspace", "three"]);
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (code(0), false, false));
    assert_eq!(stage.run_script("exit 3").await.1.exit, code(3));
    assert_eq!(stage.run_script("kill -TERM $$").await.1.exit, StepExit::Signal(15));
    let (_, ended) = stage.run(&stage.order(&["no-such-program"])).await;
    assert!(matches!(ended.exit, StepExit::NotStarted(_)), "{ended:?}");
    stage.until_removed().await;
}
