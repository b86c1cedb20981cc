import ArgumentParser

/// Lets the options that (nearly) every verb has stand before the verb too: `hcs --scheduler URL nodes`.
enum GlobalOptions {
    private static let names: Set<String> = ["--scheduler", "--token-file", "--output", "-o"]

    /// The arguments with leading global options moved behind the verb. Anything else is left as it is, for the parser to
    /// judge.
    static func moved(_ arguments: [String]) -> [String] {
        var index = arguments.startIndex
        while index < arguments.endIndex, names.contains(String(arguments[index].prefix { $0 != "=" })) {
            index += arguments[index].contains("=") ? 1 : 2
        }
        guard index > arguments.startIndex, index < arguments.endIndex, !arguments[index].hasPrefix("-") else {
            return arguments
        }
        let verbs = index..<index + (hasVerb(arguments[index], arguments[(index + 1)...].first) ? 2 : 1)
        return Array(arguments[verbs] + arguments[..<index] + arguments[verbs.upperBound...])
    }

    /// Whether the second word is a verb of the first's own.
    private static func hasVerb(_ noun: String, _ word: String?) -> Bool {
        HCSCommand.configuration.subcommands.first { $0.configuration.commandName == noun }?.configuration.subcommands
            .contains { $0.configuration.commandName == word } ?? false
    }
}
