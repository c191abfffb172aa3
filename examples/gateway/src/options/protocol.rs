use clap::ValueEnum;
use tower_ws_auth::close::ClientProtocol;

/// The language of a kind of client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Code 4000 and the HTTP status, such as 4401.
    #[default]
    #[value(alias = "plain")]
    Http,
    /// Codes that are registered at IANA, such as 3000.
    Iana,
    /// socket.io-client 4.
    SocketIo,
    /// phoenix.js up to 1.8.15.
    Phoenix,
    /// phoenix.js from 1.8.16 on, which stays connected for a minute.
    PhoenixHeld,
    /// graphql-ws 6 and Apollo Client.
    GraphqlWs,
    /// Apollo's former client.
    SubscriptionsTransportWs,
    /// @rails/actioncable and @anycable/web.
    ActionCable,
    /// @microsoft/signalr.
    Signalr,
    /// Clients of Centrifugo.
    #[value(alias = "centrifugo")]
    Centrifuge,
    /// pusher-js and Laravel Echo.
    Pusher,
    /// By what the handshake shows.
    Detect,
}

impl From<Protocol> for ClientProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::plain(),
            Protocol::Iana => Self::iana(),
            Protocol::SocketIo => Self::socket_io(),
            Protocol::Phoenix => Self::phoenix(),
            Protocol::PhoenixHeld => Self::phoenix_held(),
            Protocol::GraphqlWs => Self::graphql_ws(),
            Protocol::SubscriptionsTransportWs => Self::subscriptions_transport_ws(),
            Protocol::ActionCable => Self::action_cable(),
            Protocol::Signalr => Self::signalr(),
            Protocol::Centrifuge => Self::centrifugo(),
            Protocol::Pusher => Self::pusher(),
            Protocol::Detect => Self::detect(),
        }
    }
}
