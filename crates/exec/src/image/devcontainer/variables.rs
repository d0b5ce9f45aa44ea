//! `${…}` in values.

/// Where the workspace is, in every container.
pub(super) const WORKSPACE: &str = "/workspace";

/// The text with its variables resolved, or the one that is not known here: variables and folders of this machine are none of a
/// container's business, but for the value that the text itself gives for the case that there is none (`${localEnv:NAME:value}`).
pub(super) fn resolve(text: &str) -> Result<String, String> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, behind) = rest.split_at(at);
        // Not closed: no variable.
        let Some((name, after)) = behind[2..].split_once('}') else { break };
        resolved.push_str(before);
        match name {
            "containerWorkspaceFolder" => resolved.push_str(WORKSPACE),
            "containerWorkspaceFolderBasename" => resolved.push_str(&WORKSPACE[1..]),
            _ => match name.splitn(3, ':').collect::<Vec<_>>()[..] {
                ["localEnv" | "env", _, default] => resolved.push_str(default),
                _ => return Err(name.to_owned()),
            },
        }
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_resolved_or_named() {
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("$HOME ${unclosed", Ok("$HOME ${unclosed")),
            ("${containerWorkspaceFolder}/bin:x", Ok("/workspace/bin:x")),
            ("a-${containerWorkspaceFolderBasename}-b", Ok("a-workspace-b")),
            ("${localEnv:TOKEN}", Err("localEnv:TOKEN")),
            ("${localEnv:VARIANT:3.12}", Ok("3.12")),
            ("${localEnv:URL:http://a:1}", Ok("http://a:1")),
            ("${localEnv:EMPTY:}", Ok("")),
            ("x${localWorkspaceFolder}", Err("localWorkspaceFolder")),
            ("${containerEnv:PATH}:/opt", Err("containerEnv:PATH")),
            ("${devcontainerId}", Err("devcontainerId")),
        ] {
            assert_eq!(resolve(text), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
