//! Where the pages are that others lead to.

/// Where the console begins.
pub const HOME: &str = "/console/sessions";
/// Where the user's own password is changed.
pub const PASSWORD: &str = "/console/password";
/// Where a session ends.
pub const LOGOUT: &str = "/console/logout";

/// Returns the path of one of our pages, whatever a form or an address says.
pub fn safe(path: &str) -> &str {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_page = path.starts_with("/console/") && !path.starts_with("/console/log");
    if is_plain && is_page && !path.contains("//") { path } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_come_next() {
        for path in ["/console/sessions?q=a%20b", "/console/profiles/x"] {
            assert_eq!(safe(path), path);
        }
        for path in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/console/",
            "/console//evil.example",
            "/console/\\evil.example",
            "/console/a\r\nSet-Cookie: x",
            "/console/login",
            "/console/logout",
            "/api/user",
        ] {
            assert_eq!(safe(path), HOME, "{path}");
        }
    }
}
