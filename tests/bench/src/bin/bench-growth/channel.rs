//! Joins of channels: the patterns of their names, and Pusher's signatures.

use std::convert::Infallible;
use std::hint::black_box;

use bench_suite::{Shape, now};
use tower::{Layer, Service, service_fn};
use tower_ws_auth::channel::{ChannelAuthLayer, Join, Patterns, Policy, Pusher};

use crate::filled;

/// A longer name of a channel is refused by the layer.
const LONGEST_CHANNEL: usize = 256;
/// A longer credential is refused by the layer.
const LONGEST_CREDENTIAL: usize = 8 * 1024;

fn patterns() -> Patterns<String, ()> {
    Patterns::builder()
        .placeholder("user", |user: &String| user.as_str().into())
        .allow("lobby")
        .allow("room-{user}-a-a-a-{user}-*")
        .allow("private-{user}")
        .build()
        .unwrap()
}

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, user, channel) in [
        ("plain", "a", "a"),
        ("many separators", "a", "-a"),
        ("many placeholders", "{user}", "{user}"),
        ("many stars", "*", "*"),
    ] {
        shapes.push(Shape::new("channel pattern", name, move |size| {
            let user = filled("", user, "", size);
            let channel = format!("room-{}", filled("", channel, "", size));
            let (patterns, join) = (patterns(), Join::new(user, channel, ()));
            move || drop(black_box(now(patterns.decide(&join))))
        }));
        let shape = Shape::new("channel name", name, move |size| {
            let channel = filled("", channel, "", size);
            let mut service = ChannelAuthLayer::new(patterns()).layer(service_fn(joins));
            move || {
                let join = Join::new("a".to_owned(), channel.as_str(), ());
                drop(black_box(now(service.call(join))));
            }
        });
        shapes.push(shape.refused_beyond(LONGEST_CHANNEL));
    }
    for (name, repeated) in [("plain", "a"), ("many colons", ":"), ("digits", "0")] {
        let pusher = || Pusher::new("app-key", "a secret").unwrap();
        let text = move |beginning, size| filled(beginning, repeated, "", size);
        shapes.push(Shape::new("Pusher's data", name, move |size| {
            let (pusher, data) = (pusher(), text("", size));
            let socket = "1.1";
            let signed = pusher.sign(socket, "presence-a", Some(&data)).unwrap();
            move || {
                let data = Some(&*data);
                pusher
                    .verify(signed.auth(), socket, "presence-a", data)
                    .unwrap();
            }
        }));
        shapes.push(Shape::new("Pusher's auth", name, move |size| {
            let (pusher, auth) = (pusher(), text("app-key:", size));
            move || drop(black_box(pusher.verify(&auth, "1.1", "private-a", None)))
        }));
        shapes.push(Shape::new("Pusher's socket", name, move |size| {
            let (pusher, socket) = (pusher(), text("1.", size));
            move || drop(black_box(pusher.sign(&socket, "private-a", None)))
        }));
        shapes.push(Shape::new("Pusher's channel", name, move |size| {
            let (pusher, channel) = (pusher(), text("private-", size));
            move || drop(black_box(pusher.sign("1.1", &channel, None)))
        }));
        let joined = Shape::new("channel credential", name, move |size| {
            let credential = text("app-key:", size);
            let policy =
                pusher().policy(
                    |_: &Join<String, ()>| tower_ws_auth::channel::PusherSigned {
                        socket_id: "1.1",
                        channel_data: None,
                    },
                );
            let mut service = ChannelAuthLayer::new(policy).layer(service_fn(joins));
            move || {
                let join = Join::new("a".to_owned(), "private-a", ());
                let join = join.with_credential(Some(credential.clone()));
                drop(black_box(now(service.call(join))));
            }
        });
        shapes.push(joined.refused_beyond(LONGEST_CREDENTIAL));
    }
    shapes
}

async fn joins(_: Join<String, ()>) -> Result<(), Infallible> {
    Ok(())
}
