import Foundation

/// What the person in front of the demo sees. Every line goes out at once, also into a pipe.
struct Screen: Sendable {
    private let colored: Bool

    init() {
        let environment = ProcessInfo.processInfo.environment
        let refused = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        colored = isatty(STDOUT_FILENO) == 1 && !refused && environment["TERM"] != "dumb"
    }

    func line(_ text: String = "") {
        // A reader that has gone away must not stop the demo before it has cleaned up.
        try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
    }

    func title(_ text: String) { line("\n" + paint(text, "1;36")) }
    func heading(_ number: Int, _ text: String) { line("\n" + paint("\(number)  \(text)", "1")) }
    func say(_ text: String) { line("   " + text) }
    func note(_ text: String) { line("   " + paint(text, "2")) }
    func command(_ text: String) { line("\n   " + paint("$ \(text)", "36")) }

    /// Output of a command, indented under it.
    func block(_ text: String) {
        for row in text.split(separator: "\n", omittingEmptySubsequences: false) {
            line(row.isEmpty ? "" : "     " + row)
        }
    }

    func mark(_ kept: Bool) -> String { kept ? paint("✔", "32") : paint("✘", "1;31") }
    func bold(_ text: String) -> String { paint(text, "1") }

    private func paint(_ text: String, _ code: String) -> String { colored ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}
