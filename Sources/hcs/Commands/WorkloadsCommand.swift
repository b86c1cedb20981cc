import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct WorkloadsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workloads", abstract: "List workloads, or show one with its history.",
        discussion: """
            USED and PEAK are what its processes asked for, counted at the call; DRIVER is what the vendor's driver \
            counts for them, rounded up its own way. A dash means that nobody told.

            Examples:
              hcs workloads
              hcs workloads --all
              hcs workloads train-a
            """)

    @Flag(name: .long, help: "Also those that have ended.")
    var all = false

    @Argument(help: "Name or id of one workload.")
    var id: String?

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        if let id {
            let view = try await connection.withClient { try await $0.workload(id) }
            try format.show(view, table: Self.details)
        } else {
            let everything = all
            let list = try await connection.withClient { try await $0.workloads(all: everything) }
            try format.show(list) { Self.table($0.items, $1, all: everything) }
        }
    }

    static func table(_ workloads: [WorkloadView], _ style: Style, all: Bool) -> String {
        guard !workloads.isEmpty else {
            return all
                ? "No workload was ever submitted."
                : "No workload is waiting or running (--all shows those that ended)."
        }
        var table = TextTable([
            .init("NAME"), .init("PHASE"), .init("RUNTIME"), .init("NODE"), .init("DEVICE"), .init("USED", .right),
            .init("PEAK", .right), .init("QUOTA", .right), .init("DRIVER", .right), .init("PROCS", .right),
            .init("DENIED", .right), .init("TRY", .right), .init("EXIT"), .init("ID"),
        ])
        for view in workloads {
            let usage = Usage(view)
            table.add([
                .init(view.spec.name), .init(view.phase.rawValue) { style.phase(view.phase, $0) },
                .init(view.spec.runtime.rawValue), .init(view.node ?? Format.none),
                .init(view.grants.isEmpty ? Format.none : view.grants.map(\.device.uuid).joined(separator: ",")),
                .init(Format.bytes(usage.used)), .init(Format.bytes(usage.peak)),
                .init(view.spec.placement.wholeDevices ? "whole" : Format.bytes(view.spec.vram)),
                .init(Format.bytes(view.driverUsed)), .init("\(view.processes)"), .init("\(usage.denied)"),
                .init("\(view.attempt)"), .init(view.exit?.description ?? Format.none), .init(view.id.text),
            ])
        }
        return table.render(style)
    }

    static func details(_ view: WorkloadView, _ style: Style) -> String {
        let usage = Usage(view)
        var lines = [
            ("name", view.spec.name), ("id", view.id.text), ("phase", "\(view.phase.rawValue): \(view.message)"),
            ("command", view.spec.command.map(quoted).joined(separator: " ")),
            ("runtime", "\(view.spec.runtime.rawValue), \(memory(of: view.spec))"),
        ]
        lines += PlacementText.lines(view.spec.placement)
        lines += [
            ("restart", "\(view.spec.restart.rawValue), attempt \(view.attempt)"), ("node", view.node ?? Format.none),
        ]
        lines += view.grants.map { grant in
            let share = grant.computeMilli.map { ", \(PlacementText.percent($0)) of its compute" } ?? ""
            let whole = grant.whole == true ? ", whole" : ""
            return ("device", "\(grant.device) (\(grant.vendor.displayName), quota \(grant.quota)\(share)\(whole))")
        }
        if let used = usage.used, let peak = usage.peak {
            let driver = view.driverUsed.map { "\(Format.bytes($0)) by the driver" } ?? "the driver does not tell"
            lines.append(
                (
                    "memory",
                    "\(Format.bytes(used)) used, \(Format.bytes(peak)) at most, \(driver), \(usage.denied) denied"
                ))
        }
        lines.append(("processes", "\(view.processes)"))
        if let exit = view.exit { lines.append(("exit", exit.description)) }
        let width = lines.reduce(0) { max($0, $1.0.count) }
        let facts = lines.map { key, value in
            style.bold(key.padding(toLength: width, withPad: " ", startingAt: 0)) + "  " + printable(value)
        }
        guard let first = view.events.first else { return facts.joined(separator: "\n") }
        var events = TextTable([.init("AFTER", .right), .init("EVENT"), .init("WHAT")])
        for event in view.events {
            let after = Format.duration(milliseconds: event.atMilliseconds - first.atMilliseconds)
            events.add([.init("+\(after)"), .init(event.kind.rawValue), .init(event.message)])
        }
        return (facts + ["", events.render(style)]).joined(separator: "\n")
    }

    private static func memory(of spec: WorkloadSpec) -> String {
        guard spec.placement.wholeDevices else {
            return "\(spec.vram) of \(spec.placement.devices > 1 ? "each device's" : "device") memory"
        }
        return spec.vram == .zero ? "all of the memory" : "all of the memory, \(spec.vram) at least"
    }

    private static func quoted(_ argument: String) -> String {
        let plain = argument.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=:,@%+".contains($0)) }
        return plain && !argument.isEmpty ? argument : "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    private static func printable(_ text: String) -> String { TextTable.Cell(text).text }
}

/// Sums over the devices of one workload; nil where the agent has told nothing yet.
private struct Usage {
    var used: ByteCount?
    var peak: ByteCount?
    var denied: UInt64 = 0

    init(_ view: WorkloadView) {
        guard !view.usage.isEmpty else { return }
        used = view.usage.reduce(.zero) { $0.adding($1.used) }
        peak = view.usage.reduce(.zero) { $0.adding($1.peak) }
        denied = view.usage.reduce(0) { $0 &+ $1.denied }
    }
}
