import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@testable import hcs

@Suite("Operators, events and health on the command line", .serialized)
struct FleetTests {
    private func events(_ cluster: Cluster, _ arguments: [String] = []) async throws -> [FleetEvent] {
        let result = try await cluster.run("hcs", ["events", "--json"] + arguments)
        guard result.code == 0 else { throw Cluster.Failure("hcs events: \(result.error)") }
        return try result.output.split(separator: "\n").map {
            try HCSJSON.decode(FleetEvent.self, from: Data($0.utf8))
        }
    }

    private func card(_ cluster: Cluster, _ name: String) async throws -> DeviceID {
        try #require(try await cluster.workload(name).grants.first?.device)
    }

    @Test("a drained device's work goes on elsewhere, and the device is back when the cordon is lifted")
    func drain() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let submitted = try await cluster.run(
            "hcs",
            [
                "submit", "--name", "long", "--runtime", "cuda", "--vram", "2Gi", "--", cluster.client(.cuda),
                "alloc", "1Gi", "hold", "600",
            ])
        #expect(submitted.code == 0, "\(submitted.error)")
        _ = try await cluster.wait(for: "long", "running") { $0.phase == .running }
        let first = try await card(cluster, "long")

        let drained = try await cluster.run(
            "hcs", ["drain", first.uuid, "--reason", "ticket 4711", "--by", "ada", "--wait", "25s"])
        #expect(drained.code == 0, "\(drained.error) \(drained.output) agent: \(cluster.log("hcs-agent"))")
        #expect(drained.output.contains("drained by ada"), "\(drained.output)")
        let moved = try await cluster.wait(for: "long", "running again") { $0.phase == .running && $0.attempt == 2 }
        #expect(moved.grants.map(\.device) != [first])
        let devices = try await cluster.run("hcs", ["devices"])
        #expect(devices.output.contains("\(first): drained by ada"), "\(devices.output)")
        let why = try await cluster.run("hcs", ["explain", "long"])
        #expect(why.output.contains("being drained by ada: ticket 4711"), "\(why.output)")

        let lifted = try await cluster.run("hcs", ["uncordon", first.uuid, "--by", "bob"])
        #expect(lifted.code == 0 && lifted.output.contains("no longer cordoned"), "\(lifted.error)")
        #expect(try await cluster.run("hcs", ["uncordon", first.uuid]).code == 65)
        let told = try await events(cluster, ["--kind", "drain-started", "--kind", "drained", "--kind", "uncordoned"])
        #expect(told.map(\.kind) == [.drainStarted, .drained, .uncordoned])
        #expect(told.map(\.by) == ["ada", "ada", "bob"] && told.allSatisfy { $0.simulated && $0.device == first })

        let node = try await cluster.run("hcs", ["cordon", "host-a", "--reason", "power"])
        #expect(node.code == 0, "\(node.error)")
        #expect(try await cluster.run("hcs", ["nodes"]).output.contains("ready, cordoned"))
        cluster.killScheduler()
        try await cluster.startScheduler()
        #expect(try await cluster.run("hcs", ["cordon"]).output.contains("power"), "a cordon survives kill -9")
        let kept = try await events(cluster)
        #expect(kept.last?.kind == .schedulerStarted && kept.contains { $0.kind == .cordoned && $0.node == "host-a" })
        #expect(Set(kept.map(\.sequence)).count == kept.count)
    }

    @Test("a fault is followed from the kernel log to the event stream, and health shows how the score is made")
    func follow() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let device = try #require(
            try await cluster.withScheduler { try await $0.devices().items.first { $0.device.vendor == .nvidia } }
        ).device.id
        let variables = [
            "HCS_SCHEDULER": cluster.schedulerURL, "HCS_TOKEN_FILE": cluster.directory.file("scheduler/admin.token"),
        ]
        let follower = try cluster.start(
            "hcs", ["events", "--follow", "--severity", "critical", "--json"], output: "follow", environment: variables)
        defer { cluster.stop(follower) }
        let healthy = try await cluster.run("hcs", ["health", device.uuid])
        #expect(healthy.output.contains("score = 100, nothing lowers it"), "\(healthy.output) \(healthy.error)")
        let injected = try await cluster.run(
            "hcs", ["simulate", "xid", device.uuid, "79", "--log", cluster.directory.file("kernel.log")])
        #expect(injected.code == 0, "\(injected.error)")
        let seen = await eventually { cluster.output("follow").contains("fault-latched") }
        #expect(seen, "\(cluster.output("follow")) agent: \(cluster.log("hcs-agent"))")
        let lines = try cluster.output("follow").split(separator: "\n").map {
            try HCSJSON.decode(FleetEvent.self, from: Data($0.utf8))
        }
        #expect(lines.allSatisfy { $0.severity == .critical && $0.simulated && $0.device == device })
        #expect(lines.first { $0.kind == .deviceHealth }?.health?.newScore == 0)

        let list = try await cluster.run("hcs", ["health"])
        #expect(list.output.contains("79"), "\(list.output)")
        let one = try await cluster.run("hcs", ["health", device.uuid])
        #expect(one.output.contains("score = 0, a hard fault") && one.output.contains("source"), "\(one.output)")
        let json = try await cluster.run("hcs", ["health", device.uuid, "--json"])
        let views = try HCSJSON.decode([HealthView].self, from: Data(json.output.utf8))
        #expect(views.map(\.product.score) == [0] && views.first?.health.score == 0)

        let ordered = try await cluster.run(
            "hcs", ["health", "set-healthy", device.uuid, "--reason", "board replaced", "--by", "ada"])
        #expect(ordered.code == 0, "\(ordered.error)")
        let told = try await events(cluster, ["--kind", "clearance-requested"])
        #expect(told.map(\.message) == ["board replaced"] && told.map(\.by) == ["ada"])

        let applied = try await eventually(every: .milliseconds(100)) {
            try await events(cluster, ["--kind", "clearance-applied"]).count == 1
        }
        #expect(applied, "\(cluster.log("hcs-agent"))")
        let again = try await eventually(every: .milliseconds(100)) {
            let json = try await cluster.run("hcs", ["health", device.uuid, "--json"])
            let views = try HCSJSON.decode([HealthView].self, from: Data(json.output.utf8))
            return views.first?.health.band.acceptsWork == true && views.first?.clearance == nil
        }
        #expect(again)
    }

    @Test("the built-in policy and the fault catalogue are shown without a scheduler")
    func policy() async throws {
        let policy = try await Programs.run("hcs", ["health", "policy"])
        #expect(policy.code == 0 && policy.output.contains("version: 2") && policy.output.hasSuffix("\n"))
        let one = try await Programs.run("hcs", ["health", "codes", "79", "--json"])
        #expect(one.code == 0 && one.output.contains("fallen off the bus") && one.output.contains("\"hard\""))
        let none = try await Programs.run("hcs", ["health", "codes", "no such thing"])
        #expect(none.output.contains("No code of the catalogue has 'no such thing' in it."))
    }

    @Test("a node is forgotten only when it has fallen silent")
    func forget() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let early = try await cluster.run("hcs", ["node", "forget", "host-a", "--reason", "scrapped"])
        #expect(early.code == 65 && early.error.contains("end its agent first"), "\(early.error)")
        cluster.killAgent()
        let gone = try await eventually(every: .milliseconds(500)) {
            try await cluster.run("hcs", ["node", "forget", "host-a", "--reason", "scrapped"]).code == 0
        }
        #expect(gone)
        #expect(try await cluster.withScheduler { try await $0.nodes().items.isEmpty })
        let told = try await events(cluster, ["--kind", "node-forgotten"])
        #expect(told.map(\.message) == ["scrapped"])
        #expect(try await cluster.run("hcs", ["node", "forget", "host-a", "--reason", "again"]).code == 66)
    }

    @Test("alerts reach a program, and a wrong flag ends the start")
    func alerts() async throws {
        let cluster = try await Cluster()
        let hook = try cluster.directory.writeProgram(
            "#!/bin/sh\ncat >> \"$0.seen\"; echo >> \"$0.seen\"\n", to: "hook")
        cluster.killScheduler()
        try await cluster.startScheduler(["--alert-program", hook])
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let device = try #require(
            try await cluster.withScheduler { try await $0.devices().items.first { $0.device.vendor == .nvidia } }
        ).device.id
        _ = try await cluster.run(
            "hcs", ["simulate", "xid", device.uuid, "79", "--log", cluster.directory.file("kernel.log")])
        let alerted = await eventually {
            let text = cluster.output("hook.seen")
            return text.contains("critical fault-latched [simulated] host-a \(device)")
        }
        #expect(alerted, "\(cluster.output("hook.seen")) \(cluster.log("hcs-scheduler"))")
        let bad = try await Programs.run(
            "hcs-scheduler", ["--state-dir", cluster.directory.file("other"), "--alert-program", "hook"])
        #expect(bad.code == 1 && bad.error.contains("--alert-program"), "\(bad.error)")
    }

    @Test("anybody can make the score again from its reasons")
    func product() {
        func reason(_ penalty: Double) -> HealthReason {
            HealthReason(factor: "f", penalty: penalty, detail: "d", source: "s", sinceMilliseconds: 0)
        }
        let soft = HealthProduct([reason(0.25), reason(0.1)])
        #expect(soft.score == 68 && soft.text == "100 x 0.75 x 0.9 = 67.5, rounded 68")
        #expect(soft.factors.map(\.afterwards) == [75, 67.5])
        #expect(HealthProduct([]).score == 100)
        #expect(HealthProduct([reason(0.999), reason(0.999)]).score == 1)
        #expect(HealthProduct([reason(0.5), reason(1)]).score == 0)
        #expect(HealthProduct([reason(-3), reason(.nan)]).score >= 0)
    }

    @Test("a factor is shown with its figure, code, advice, source and age")
    func healthText() {
        let reason = HealthReason(
            factor: "temperature", penalty: 0.2, detail: "91 °C\u{1B}[2J", source: "vendor-library",
            sinceMilliseconds: 1_000, measure: HealthMeasure(91, unit: "°C", warn: 86, bad: 96, cap: 0.4),
            code: "nvidia/xid/79", advice: "reset", authority: "table 1")
        let report = DeviceReport(
            device: Device(
                id: DeviceID("GPU-1"), vendor: .nvidia, model: "H100", index: 0, memory: .gibibytes(80),
                simulated: true),
            sample: nil, health: DeviceHealth(score: 80, reasons: [reason]))
        let text = HealthView(report, node: "n1").text(.plain, now: Date(timeIntervalSince1970: 61))
        for part in [
            "device GPU-1 (H100, simulated) of node n1", "score = 100 x 0.8 = 80, rounded 80",
            "temperature  x (1 - 0.2) = 0.8, leaves 80", "figure    0.4 x clamp((91 °C - 86) / (96 - 86)) = 0.2",
            "code      nvidia/xid/79", "advice    reset", "source    vendor-library", "since     1m 00s ago",
            "rule of   table 1", "91 °C?[2J",
        ] { #expect(text.contains(part), "\(part) in \(text)") }
    }
}
