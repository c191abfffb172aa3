use test_support::frame::{self, BINARY, CLOSE, CONTINUATION, Frame, PING, TEXT, masked, unmasked};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex, split};

use super::*;
use crate::frame::CloseCode;
use crate::protocol::{Message, Pattern};

const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(5),
    bytes: 64 * 1024,
    hold: Duration::from_secs(1),
};
/// Of the scripts here.
const TIME: Duration = Duration::from_secs(3);

/// What a client reads until the end of the stream, how that ended, and how long it took.
pub(super) async fn told(
    script: &Script,
    client: impl AsyncFnOnce(&mut tokio::io::WriteHalf<DuplexStream>),
) -> (Vec<Frame>, Outcome, Ended, Duration) {
    told_with(script, Arc::default(), client).await
}

async fn told_with(
    script: &Script,
    give_way: Arc<Notify>,
    client: impl AsyncFnOnce(&mut tokio::io::WriteHalf<DuplexStream>),
) -> (Vec<Frame>, Outcome, Ended, Duration) {
    let began = Instant::now();
    let (server, far) = duplex(512);
    let (mut reads, mut writes) = split(far);
    let script = script.compile().unwrap();
    let telling = Telling {
        values: Values {
            reason: "token_expired".to_owned(),
            code: 4401,
            ..Values::default()
        },
        close: Close::new(CloseCode::new(4401).unwrap(), "token_expired"),
        limits: LIMITS,
        give_way,
    };
    let read = async {
        let mut frames = Vec::new();
        while let Ok(frame) = frame::read(&mut reads).await {
            frames.push(frame);
        }
        frames
    };
    let client = async {
        client(&mut writes).await;
        writes
    };
    // Its end stays open until the server has ended the stream.
    let ((frames, _writes), (outcome, ended)) = tokio::join!(
        async { tokio::join!(read, client) },
        follow(server, false, &script, telling)
    );
    (frames, outcome, ended, began.elapsed())
}

fn texts(frames: &[Frame]) -> Vec<&str> {
    let texts = frames.iter().filter(|frame| frame.opcode == TEXT);
    texts
        .map(|frame| str::from_utf8(&frame.payload).unwrap())
        .collect()
}

fn asks() -> Script {
    Script::new()
        .send(Message::text("hello"))
        .wait_for(Pattern::starts_with("id:").digits("id"), TIME)
        .send(Message::text("${id} ${reason}"))
}

fn answers() -> Script {
    let pattern = Pattern::starts_with("40").optional("ns", '/', ',');
    Script::new().answer_each([(pattern, Message::text("44${ns}"))], TIME)
}

#[tokio::test(start_paused = true)]
async fn a_message_in_pieces_is_answered_and_the_close_frame_follows() {
    let (frames, outcome, ended, took) = told(&asks(), async |client| {
        let message = [
            masked(true, TEXT, b"something else"),
            masked(false, TEXT, b"id"),
            masked(true, PING, b""),
            masked(true, CONTINUATION, b":7"),
            masked(true, CLOSE, b""),
        ];
        for byte in message.concat() {
            client.write_all(&[byte]).await.unwrap();
        }
    })
    .await;
    assert_eq!(texts(&frames), ["hello", "7 token_expired"]);
    assert_eq!(
        frames.last().unwrap().close(),
        Some((4401, "token_expired"))
    );
    assert!(matches!(outcome, Outcome::PeerClosed), "{outcome:?}");
    assert_eq!((ended, took), (Ended::Done, Duration::ZERO));
}

/// As clients of Centrifugo write it.
#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_long_token_is_found_and_what_is_too_far_is_not() {
    let script = Script::new()
        .wait_for(Pattern::contains("\"id\":").digits("id"), TIME)
        .send(Message::text("${id}"));
    for (length, answers, ended) in [
        (2000, &["7"][..], Ended::Done),
        (8000, &["7"], Ended::Done),
        (Pattern::MAX_SEARCH, &[], Ended::NoAnswer),
    ] {
        let token = "x".repeat(length);
        let command = format!(r#"{{"connect":{{"token":"{token}"}},"id":7}}"#);
        let (frames, _, how, _) = told(&script, async |client| {
            let command = masked(true, TEXT, command.as_bytes());
            client.write_all(&command).await.unwrap();
        })
        .await;
        assert_eq!(texts(&frames), answers, "{length}");
        let close = frames.last().unwrap().close();
        assert_eq!((close, how), (Some((4401, "token_expired")), ended));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_and_half_a_message_get_the_close_frame_in_time() {
    for half in [
        &b""[..],
        &masked(true, TEXT, b"id:7")[..8],
        &masked(false, TEXT, b"id:7"),
    ] {
        let (frames, outcome, ended, took) = told(&asks(), async |client| {
            client.write_all(half).await.unwrap();
        })
        .await;
        assert_eq!(texts(&frames), ["hello"]);
        assert_eq!(
            frames.last().unwrap().close(),
            Some((4401, "token_expired"))
        );
        assert!(matches!(outcome, Outcome::Deadline), "{outcome:?}");
        assert_eq!((ended, took), (Ended::NoAnswer, TIME + LIMITS.deadline));
    }
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_frame_goes_straight_to_the_close_frame() {
    for bad in [
        unmasked(true, TEXT, b"id:7"),
        masked(true, 3, b""),
        masked(true, CONTINUATION, b""),
    ] {
        let (frames, _, ended, _) = told(&asks(), async |client| {
            client.write_all(&bad).await.unwrap();
            client
                .write_all(&masked(true, TEXT, b"id:7"))
                .await
                .unwrap();
        })
        .await;
        assert_eq!(texts(&frames), ["hello"]);
        assert!(frames.last().unwrap().close().is_some());
        assert_eq!(ended, Ended::Violation);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_first_is_answered_at_once() {
    let (frames, outcome, ended, took) = told(&asks(), async |client| {
        client.write_all(&masked(true, CLOSE, b"")).await.unwrap();
    })
    .await;
    assert_eq!(frames.len(), 2);
    assert!(matches!(outcome, Outcome::PeerClosed), "{outcome:?}");
    assert_eq!((ended, took), (Ended::Closed, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_questions_get_as_many_answers_as_a_step_has() {
    let (frames, outcome, ended, _) = told(&answers(), async |client| {
        for number in 0..500 {
            let ask = masked(true, TEXT, format!("40/{number},").as_bytes());
            client.write_all(&ask).await.unwrap();
        }
        client.write_all(&masked(true, CLOSE, b"")).await.unwrap();
    })
    .await;
    assert_eq!(texts(&frames).len(), 64);
    assert_eq!(texts(&frames)[63], "44/63,");
    assert!(matches!(outcome, Outcome::PeerClosed), "{outcome:?}");
    assert_eq!(ended, Ended::Answers);
}

#[tokio::test(start_paused = true)]
async fn wrong_questions_are_not_answered_and_time_is_up_once() {
    let (frames, _, ended, took) = told(&answers(), async |client| {
        for _ in 0..10 {
            for wrong in ["41", "4", "40/never", &format!("40/{},", "x".repeat(300))] {
                let wrong = masked(true, TEXT, wrong.as_bytes());
                client.write_all(&wrong).await.unwrap();
            }
            tokio::time::sleep(TIME / 5).await;
        }
        client.write_all(&masked(true, CLOSE, b"")).await.unwrap();
    })
    .await;
    assert!(texts(&frames).is_empty());
    assert_eq!((ended, took), (Ended::Done, 2 * TIME));
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_read_up_to_the_cap_and_the_close_frame_comes() {
    let (frames, outcome, ended, _) = told(&asks(), async |client| {
        let flood = masked(true, BINARY, &[7; 1000]);
        while client.write_all(&flood).await.is_ok() {}
    })
    .await;
    assert!(frames.last().unwrap().close().is_some());
    assert!(matches!(outcome, Outcome::ByteCap), "{outcome:?}");
    assert_eq!(ended, Ended::ByteCap);
}

#[tokio::test(start_paused = true)]
async fn a_client_gives_way_and_gets_its_close_frame() {
    let give_way = Arc::new(Notify::new());
    give_way.notify_one();
    let (frames, _, ended, _) = told_with(&answers(), give_way, async |client| {
        client.write_all(&masked(true, CLOSE, b"")).await.unwrap();
    })
    .await;
    assert!(frames.last().unwrap().close().is_some());
    assert_eq!(ended, Ended::GaveWay);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_dropped_at_the_deadline() {
    let script = (0..16).fold(answers(), |script, _| {
        let long = Message::text("x".repeat(Message::MAX));
        script
            .wait_for(Pattern::starts_with("40"), Duration::ZERO)
            .send(long)
    });
    // Too many steps for one script; the first of them do.
    assert!(script.compile().is_err());
    let script = Script::new()
        .send(Message::text("x".repeat(Message::MAX)))
        .wait_for(Pattern::starts_with("40"), TIME)
        .compile()
        .unwrap();
    let (server, _far) = duplex(512);
    let telling = Telling {
        values: Values::default(),
        close: Close::new(CloseCode::NORMAL, ""),
        limits: LIMITS,
        give_way: Arc::default(),
    };
    let began = Instant::now();
    let (outcome, ended) = follow(server, false, &script, telling).await;
    assert!(matches!(outcome, Outcome::Deadline), "{outcome:?}");
    assert_eq!((ended, began.elapsed()), (Ended::Deadline, LIMITS.deadline));
}

/// A client of Phoenix may be held for a minute.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_listened_to_keeps_less_than_four_kilobytes() {
    let script = answers().compile().unwrap();
    let (server, _far) = duplex(512);
    let telling = Telling {
        values: Values::default(),
        close: Close::new(CloseCode::NORMAL, ""),
        limits: LIMITS,
        give_way: Arc::default(),
    };
    let following = follow(server, false, &script, telling);
    let kept = size_of_val(&following) + BUFFER + script.reach();
    assert!(kept < 4096, "{kept}");
    println!("{kept} bytes");
}
