use redis::{Cmd, FromRedisValue, cmd};

use crate::{Redis, RedisError};

/// A Lua script over one key, which Redis runs in one atomic step.
pub(crate) struct Script {
    body: &'static str,
    /// SHA-1 of the body in hexadecimal. A wrong one would cost a second command each time.
    digest: &'static str,
}

/// Keeps the later of two revocations, with the effect of the other.
pub(crate) const REVOKE: Script = Script {
    body: include_str!("scripts/revoke.lua"),
    digest: "31aa3abe08d50838ca76df96caae87e7923e4336",
};

/// Replaces a session's record unless it has changed.
pub(crate) const REPLACE: Script = Script {
    body: include_str!("scripts/replace.lua"),
    digest: "6bc829b0e82eadaedbc3934456bfd22929ee89e4",
};

impl Script {
    pub(crate) const fn body(&self) -> &'static str {
        self.body
    }
}

impl Redis {
    /// Runs a script, normally by its digest. A Redis without the digest runs nothing, and then
    /// gets the whole script.
    pub(crate) async fn run_script<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&[u8]],
    ) -> Result<T, RedisError> {
        let known = call("EVALSHA", script.digest, key, arguments);
        match self.ask(&known).await {
            Err(RedisError::Refused(code)) if code == "NOSCRIPT" => {
                self.ask(&call("EVAL", script.body, key, arguments)).await
            }
            answer => answer,
        }
    }
}

fn call(command: &str, script: &str, key: &str, arguments: &[&[u8]]) -> Cmd {
    let mut call = cmd(command);
    call.arg(script).arg(1).arg(key).arg(arguments);
    call
}
