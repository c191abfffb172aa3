use super::*;

#[test]
fn each_built_in_protocol_is_valid() {
    for (protocol, name) in [
        (ClientProtocol::plain(), "plain"),
        (ClientProtocol::iana(), "iana"),
        (ClientProtocol::socket_io(), "socket_io"),
        (ClientProtocol::phoenix(), "phoenix"),
        (
            ClientProtocol::phoenix_held_for(Duration::MAX),
            "phoenix_held",
        ),
        (ClientProtocol::graphql_ws(), "graphql_ws"),
        (
            ClientProtocol::subscriptions_transport_ws(),
            "subscriptions_transport_ws",
        ),
        (ClientProtocol::action_cable(), "action_cable"),
        (ClientProtocol::signalr(), "signalr"),
        (ClientProtocol::centrifugo(), "centrifugo"),
        (ClientProtocol::pusher(), "pusher"),
    ] {
        assert_eq!(format!("{protocol:?}"), name);
    }
}

#[test]
fn a_client_is_detected_by_its_mark() {
    let detect = ClientProtocol::detect();
    for (target, offered, found) in [
        ("/socket.io/?EIO=4&transport=websocket", "", "socket_io"),
        ("/socket/websocket?vsn=2.0.0", "phoenix", "phoenix"),
        ("/app/key?protocol=7&client=js", "", "pusher"),
        ("/graphql", "graphql-transport-ws", "graphql_ws"),
        ("/graphql", "graphql-ws", "subscriptions_transport_ws"),
        (
            "/cable",
            "actioncable-v1-json, actioncable-unsupported",
            "action_cable",
        ),
        ("/ws?EIO=3", "chat", "plain"),
    ] {
        let request = http::Request::get(target).header("sec-websocket-protocol", offered);
        let head = request.body(()).unwrap().into_parts().0;
        assert_eq!(format!("{:?}", detect.of(&head)), found);
        assert_eq!(detect.speaks_to(&head), found != "plain");
    }
    let otherwise =
        ClientProtocol::any_of([ClientProtocol::socket_io(), ClientProtocol::signalr()]);
    let head = http::Request::new(()).into_parts().0;
    assert_eq!(format!("{:?}", otherwise.of(&head)), "signalr");
    assert!(!otherwise.speaks_to(&head));
}
