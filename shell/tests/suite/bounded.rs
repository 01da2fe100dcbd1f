//! A bounded run of the properties that the fuzz targets look for violations of.

use proptest::prelude::*;

#[path = "../../../fuzz/properties.rs"]
mod properties;

/// Text made of what the grammar knows, so that much of it is nearly a command.
fn nearly_commands() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "show",
        "configure",
        "delete",
        "clear",
        "import",
        "export",
        "help",
        "?",
        "history",
        "exit",
        "save",
        "cancel",
        "where",
        "do",
        "no",
        "useraccountprofile",
        "user",
        "group",
        "useractivity",
        "session",
        "sessions",
        "limits",
        "max_concurrent_sessions",
        "user_profile_ref",
        "|",
        "grep",
        "-i",
        "-v",
        "--apply",
        "0",
        "4294967296",
        "-1",
        "\"",
        "'",
        "\\",
        "#",
        "a\"b c\"",
        "é",
    ]);
    prop::collection::vec(prop_oneof![8 => known.prop_map(str::to_owned), 1 => "\\PC{0,8}"], 0..8)
        .prop_map(|words| words.join(" "))
}

/// Text made of what the configuration knows.
fn nearly_configurations() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "[[useraccountprofile]]",
        "[[user]]",
        "[[group]]",
        "[policy]",
        "name = \"a\"",
        "name = \"b\" # b",
        "username = \"u\"",
        "user_profile = \"a\"",
        "user_profile = \"Default-User-Account-Profile\"",
        "max_concurrent_sessions = 2  # two",
        "max_concurrent_sessions = -1",
        "account_lock_timeout = 1_000",
        "on_limit = \"ask\"",
        "on_limit = 'maybe'",
        "counted_services = [\"sshd\", # the daemon\n \"x-*\"]",
        "admin_groups = []",
        "# a comment",
        "",
        "  # indented",
        "uuid = \"x\"",
        "nonsense = 1",
        "user = [{ username = \"u\", user_profile = \"a\" }]",
        "= 3",
        "\"name\" = '''a'''",
    ]);
    let line = prop_oneof![20 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}"];
    (prop::collection::vec(line, 0..10), prop::sample::select(vec!["\n", "\r\n"]), any::<bool>())
        .prop_map(|(lines, end, last)| lines.join(end) + if last { end } else { "" })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_line_is_a_command_or_a_complaint(line in prop_oneof![nearly_commands(), "\\PC*", any::<String>()]) {
        properties::grammar(&line);
    }

    #[test]
    fn any_text_is_a_configuration_or_a_complaint(text in prop_oneof![nearly_configurations(), "\\PC*", any::<String>()]) {
        properties::config(&text);
    }

    #[test]
    fn a_good_configuration_stays_good(text in nearly_configurations(), name in "[ab\"'\\\\ é]{1,4}", value in any::<u32>()) {
        properties::edit(&text, &name, value);
    }

    /// The same for files that are good for sure and have much to lose.
    #[test]
    fn the_shipped_configuration_stays_good(name in "\\PC{1,20}", value in any::<u32>()) {
        properties::edit(include_str!("../../../packaging/config.toml"), &name, value);
    }
}
