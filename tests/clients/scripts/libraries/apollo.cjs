// Apollo Client over graphql-ws.
const kit = require("./kit.cjs");

const { connected, log, refresh, sockets, ws } = kit;

module.exports = {
  async "@apollo/client"() {
    const { ApolloClient, InMemoryCache, gql } = require("@apollo/client");
    const { GraphQLWsLink } = require("@apollo/client/link/subscriptions");
    const { createClient } = require("graphql-ws");
    let expired = false;
    const link = new GraphQLWsLink(
      createClient({
        url: async () => {
          if (expired) await refresh();
          expired = false;
          return `${sockets}/graphql?token=${kit.token}`;
        },
        webSocketImpl: ws,
        on: {
          connected,
          closed: ({ code, reason }) => {
            log("closed", [code, reason]);
            expired = reason === "token_expired";
          },
        },
      }),
    );
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    client.subscribe({ query: gql`subscription { tick }` }).subscribe({
      next: ({ error }) => error && log("next", error.message),
      error: ({ message }) => log("error", message),
    });
  },
};
