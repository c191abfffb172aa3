//! An arbitrary client against an arbitrary script.

use proptest::prelude::*;
use test_support::frame::{TEXT, masked};
use tokio::io::AsyncWriteExt;

use super::tests::told;
use super::*;
use crate::protocol::{Message, Pattern};

/// What a client may come up with.
#[derive(Clone, Debug)]
enum Act {
    Bytes(Vec<u8>),
    Frame(bool, u8, Vec<u8>),
    Pause(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec!["40", "40/a,", "id:7", "40/\"b\\,", "[\"1\",\"2\""])
            .prop_map(|text| text.as_bytes().to_vec()),
        Just(vec![b'x'; 3000]),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Act::Bytes),
        (any::<bool>(), 0_u8..12, payload)
            .prop_map(|(fin, opcode, payload)| Act::Frame(fin, opcode, payload)),
        (0_u64..2000).prop_map(Act::Pause),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let pattern = prop::sample::select(vec![
        Pattern::starts_with("40").optional("ns", '/', ','),
        Pattern::contains(":").digits("id"),
        Pattern::starts_with("[\"").json_string("ref").then("\",\""),
        Pattern::starts_with(""),
    ]);
    let step = (0_u8..3, pattern, 0_u64..4000);
    prop::collection::vec(step, 0..5).prop_map(|steps| {
        let answer = || Message::text("${reason} ${random}");
        steps
            .into_iter()
            .fold(Script::new(), |script, (kind, pattern, time)| {
                let time = Duration::from_millis(time);
                match kind {
                    0 => script.send(answer()),
                    1 => script.wait_for(pattern, time),
                    _ => script.answer_each([(pattern, answer())], time),
                }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(test_support::of_tier(200, 5000)))]

    /// The bounds of all steps, of the close frame and of what is held unread.
    #[test]
    fn an_arbitrary_client_against_an_arbitrary_script_ends_within_every_bound(
        acts in prop::collection::vec(act(), 0..30),
        script in script(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (frames, _, ended, took) = runtime.block_on(told(&script, async |client| {
            for act in acts {
                let sent = match act {
                    Act::Bytes(bytes) => client.write_all(&bytes).await,
                    Act::Frame(fin, opcode, payload) => {
                        client.write_all(&masked(fin, opcode, &payload)).await
                    }
                    Act::Pause(pause) => {
                        tokio::time::sleep(Duration::from_millis(pause)).await;
                        Ok(())
                    }
                };
                if sent.is_err() {
                    break;
                }
            }
        }));
        let (last, before) = frames.split_last().unwrap();
        prop_assert!(last.close().is_some(), "{ended:?}");
        prop_assert!(before.iter().all(|frame| frame.opcode == TEXT));
        prop_assert!(before.len() <= 5 * 64);
        // The client's own pauses are at most a minute.
        prop_assert!(took <= Duration::from_secs(60 + 20 + 5 + 1), "{took:?}");
    }
}
