import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show what happened in the pool.",
        discussion: """
            The scheduler remembers the newest \(FleetEvent.kept) events. Where some may be missing, a line on \
            standard error says so. With --json one event a line.

            Kinds: \(FleetEvent.Kind.allCases.map(\.rawValue).joined(separator: ", ")).

            Examples:
              hcs events
              hcs events --follow --severity warning
              hcs events --since 1h --node host-a --kind device-health --kind fault-latched
            """)

    @Flag(name: [.long, .short], help: "Go on with new ones as they happen.")
    var follow = false

    @Option(name: .long, help: ArgumentHelp("How far to look back: 90s, 10m, 24h.", valueName: "time"))
    var since = Seconds(count: 3600)

    @Option(name: .long, help: ArgumentHelp("Only of this node.", valueName: "name"))
    var node: String?

    @Option(name: .long, help: ArgumentHelp("Only this kind; repeatable.", valueName: "kind"))
    var kind: [FleetEvent.Kind] = []

    @Option(name: .long, help: "No less than this: info, warning or critical.")
    var severity = FleetEvent.Severity.info

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let filter = EventFilter(kinds: Set(kind), node: node, severity: severity)
        let reader = EventReader(
            filter: filter, since: since.count, follows: follow, isJSON: format.isJSON, style: .current)
        var place = EventReader.Place()
        var url = SchedulerOptions.defaultURL
        while true {
            place = try await connection.withClient(at: &url) { [place] in try await reader.read($0, from: place) }
            guard place.isAway else { return }
            try await Task.sleep(for: .seconds(1))
        }
    }
}

extension FleetEvent.Kind: ExpressibleByArgument {}
extension FleetEvent.Severity: ExpressibleByArgument {}

/// Reads page after page and prints. While following, a scheduler that is away is waited for.
private struct EventReader: Sendable {
    /// How far it has read.
    struct Place: Sendable {
        /// nil: nothing yet.
        var after: UInt64?
        var wait = 0
        /// The scheduler is to be looked for again.
        var isAway = false
    }

    let filter: EventFilter
    let since: Int
    let follows: Bool
    let isJSON: Bool
    let style: Style

    /// Until there is nothing more to read, or the scheduler is away.
    func read(_ client: SchedulerClient, from start: Place) async throws -> Place {
        var place = start
        while true {
            let page: EventPage
            do {
                page = try await client.events(
                    after: place.after ?? 0, wait: place.wait, filter: filter, since: place.after == nil ? since : nil)
                place.isAway = false
            } catch  where follows && place.after != nil && Self.isAway(error) {
                if !place.isAway { tell("\(error) Waiting for it") }
                place.isAway = true
                return place
            }
            if page.gap { tell("events may be missing here: after number \(place.after ?? 0)") }
            for event in page.items {
                // Not through stdio: a reader at the other end of a pipe gets each line when it happens.
                try FileHandle.standardOutput.write(contentsOf: Data((try line(event) + "\n").utf8))
            }
            place.after = page.next
            guard page.atEnd else { continue }
            guard follows else { return place }
            // A scheduler that is closing does not wait.
            if page.items.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
            place.wait = APILimits.longPollSeconds - 5
        }
    }

    /// It does not answer, or what stands before it says so.
    private static func isAway(_ error: any Error) -> Bool {
        (error as? ClientError)?.code == .unreachable || (error as? APIProblem).map { $0.status >= 500 } ?? false
    }

    private func tell(_ text: String) { FileHandle.standardError.write(Data("hcs: \(text)\n".utf8)) }

    private func line(_ event: FleetEvent) throws -> String {
        if isJSON { return String(decoding: try HCSJSON.encode(event), as: UTF8.self) }
        let date = Date(timeIntervalSince1970: Double(event.atMilliseconds) / 1000)
        let time = date.formatted(
            .iso8601.time(includingFractionalSeconds: true).dateSeparator(.dash).year().month().day())
        let severity = event.severity.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
        let about = [event.node, event.device?.uuid].compactMap(\.self).joined(separator: " ")
        let by = event.by.map { " (by \($0))" } ?? ""
        let kind = event.simulated ? "\(event.kind.rawValue) [simulated]" : event.kind.rawValue
        let text = "\(kind)  \(about.isEmpty ? "" : "\(about): ")\(event.message)\(by)"
        return "\(time)Z  \(style.band(Self.band(event.severity), severity))  \(Format.printable(text))"
    }

    private static func band(_ severity: FleetEvent.Severity) -> HealthBand {
        switch severity {
        case .info: .unknown
        case .warning: .degraded
        case .critical: .failed
        }
    }
}
