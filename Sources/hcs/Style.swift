import Foundation
import HCSModel

/// Colour where a person looks at a terminal that can show it, plain text everywhere else.
struct Style: Sendable {
    var colored: Bool

    static let plain = Style(colored: false)

    static var current: Style {
        let environment = ProcessInfo.processInfo.environment
        // https://no-color.org: any non-empty value turns colour off.
        let refused = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        return Style(colored: isatty(STDOUT_FILENO) == 1 && !refused && environment["TERM"] != "dumb")
    }

    func bold(_ text: String) -> String { paint(text, "1") }
    func dim(_ text: String) -> String { paint(text, "2") }

    func band(_ band: HealthBand, _ text: String) -> String {
        switch band {
        case .healthy: paint(text, "32")
        case .degraded: paint(text, "33")
        case .suspect, .failed: paint(text, "31")
        case .unknown: text
        }
    }

    func phase(_ phase: WorkloadPhase, _ text: String) -> String {
        switch phase {
        case .running, .succeeded: paint(text, "32")
        case .queued, .assigned, .stopping: paint(text, "33")
        case .failed: paint(text, "31")
        case .deleted: dim(text)
        }
    }

    private func paint(_ text: String, _ code: String) -> String { colored ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}
