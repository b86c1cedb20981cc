import Foundation
import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import HCSStore
import HCSTestSupport
import Logging
import Testing

/// The daemon over loopback, as clients see it.
@Suite struct HTTPTests {
    private struct Server: Sendable {
        let url: String
        let admin: String
        let node: String
        let directory: String

        func client(_ token: String?) -> HTTPAPIClient {
            HTTPAPIClient(endpoint: .url(url), token: token, slackSeconds: 120)
        }
    }

    private func withServer(
        idleSeconds: Int64 = 60, _ body: @escaping @Sendable (Server) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "hcs-http-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let daemon = SchedulerDaemon(
            configuration: SchedulerConfiguration(
                host: "127.0.0.1", port: 0, stateDirectory: directory, insecure: false, idleSeconds: idleSeconds),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await daemon.run() }
            group.addTask {
                func read(_ name: String) -> String? {
                    (try? String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8))?.trimmingCharacters(
                        in: .newlines)
                }
                let deadline = ContinuousClock.now + .seconds(60)
                while ContinuousClock.now < deadline {
                    if let url = read("address"), let admin = read("admin.token"), let node = read("node.token") {
                        try await body(Server(url: url, admin: admin, node: node, directory: directory))
                        return
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
                Issue.record("the scheduler did not start within 60 s")
            }
            _ = try await group.next()
            group.cancelAll()
        }
    }

    private func problem(_ body: () async throws -> Void) async -> APIProblem? {
        do {
            try await body()
            return nil
        } catch { return error as? APIProblem }
    }

    @Test func `each token opens what it should and nothing else`() async throws {
        try await withServer { server in
            let admin = server.client(server.admin)
            let node = server.client(server.node)
            let wrong = server.client("0123456789abcdef0123456789abcdef")
            let none = server.client(nil)
            _ = try await SchedulerClient(admin).nodes()
            #expect(await problem { _ = try await SchedulerClient(node).nodes() }?.status == 403)
            #expect(await problem { _ = try await SchedulerClient(wrong).nodes() }?.status == 401)
            #expect(await problem { _ = try await SchedulerClient(none).nodes() }?.status == 401)
            _ = try await none.getText(Routes.health)
            #expect(await problem { _ = try await none.getText(Routes.metrics) }?.status == 401)
            for client in [admin, node] {
                let metrics = String(decoding: try await client.getText(Routes.metrics), as: UTF8.self)
                #expect(metrics.contains("hcs_scheduler_http_answers_total{method=\"GET\",code=\"401\"}"))
                #expect(metrics.contains("hcs_scheduler_nodes{state=\"ready\"} 0\n"))
            }
            var reports = ReportMaker()
            _ = try await SchedulerClient(node).report(reports.make([gpu("a")]))
            #expect(await problem { _ = try await SchedulerClient(node).submit(spec("w")) }?.status == 403)
            _ = try await SchedulerClient(admin).submit(spec("w"))
            let more = WorkloadChange(vram: .gibibytes(9))
            #expect(await problem { _ = try await SchedulerClient(node).change("w", more) }?.status == 403)
            #expect(try await SchedulerClient(admin).change("w", more).spec.vram == .gibibytes(9))
            let set = try await SchedulerClient(node).assignments(node: "n1", after: .zero, wait: 0)
            #expect(set.workloads.count == 1)
            for client in [admin, node, wrong, none] { await client.shutdown() }
        }
    }

    @Test func `orders and events are for the admin's token only, and are checked before they count`() async throws {
        try await withServer { server in
            let admin = server.client(server.admin)
            let node = server.client(server.node)
            var reports = ReportMaker()
            _ = try await SchedulerClient(node).report(reports.make([gpu("dev-a")]))
            let cordon = CordonRequest(target: "dev-a", reason: "r", by: "ada", drain: false)
            let refused: [(SchedulerClient) async throws -> Void] = [
                { _ = try await $0.cordons() }, { _ = try await $0.cordon(cordon) },
                { _ = try await $0.uncordon(UncordonRequest(target: "dev-a", by: "ada")) },
                { _ = try await $0.clearances() },
                { _ = try await $0.requestClearance(ClearanceRequest(device: "dev-a", reason: "r", by: "ada")) },
                { _ = try await $0.forget(node: "n1", ForgetRequest(reason: "r", by: "ada")) },
                { _ = try await $0.events(after: 0, wait: 0, filter: EventFilter()) },
                { _ = try await $0.http.getText(Routes.alerts) },
            ]
            for request in refused {
                #expect(await problem { try await request(SchedulerClient(node)) }?.status == 403)
            }
            #expect(try await SchedulerClient(admin).cordon(cordon).cordon.target.device == DeviceID("dev-a"))
            #expect(try await SchedulerClient(admin).cordons().items.count == 1)

            struct Misspelt: Encodable { let target = "dev-a", reason = "r", by = "ada", drian = true }
            let unknown = await problem {
                _ = try await admin.post(Routes.cordons, Misspelt(), as: CordonView.self)
            }
            #expect(unknown?.status == 400 && unknown?.detail.contains("unknown field 'drian'") == true)
            for query in [
                "after=-1", "limit=0", "limit=501", "wait=31", "kind=nothing", "kind=", "severity=loud", "node=..%2Fx",
                "since=-1", "afer=1",
            ] {
                #expect(
                    await problem { _ = try await admin.getText("\(Routes.events)?\(query)") }?.status == 400,
                    "\(query)")
            }
            let page = try await SchedulerClient(admin).events(
                after: 0, wait: 0, filter: EventFilter(kinds: [.cordoned, .nodeReady], node: "n1"), since: 3600)
            #expect(page.items.map(\.kind) == [.nodeReady, .cordoned] && page.atEnd)
            async let next = SchedulerClient(admin).events(
                after: page.next, wait: 30, filter: EventFilter(kinds: [.uncordoned]))
            _ = try await SchedulerClient(admin).uncordon(UncordonRequest(target: "dev-a", by: "bob"))
            #expect(try await next.items.map(\.by) == ["bob"])
            for client in [admin, node] { await client.shutdown() }
        }
    }

    @Test func `queue, its rules and moves are for the admin's token only, and are checked before they count`()
        async throws
    {
        try await withServer { server in
            let admin = server.client(server.admin)
            let node = server.client(server.node)
            let none = server.client(nil)
            let plan = DefragmentationRequest(run: false, by: "ada")
            let routes: [@Sendable (SchedulerClient) async throws -> Void] = [
                { _ = try await $0.queue() }, { _ = try await $0.queuePolicy() }, { _ = try await $0.defragment(plan) },
            ]
            for route in routes {
                #expect(await problem { try await route(SchedulerClient(node)) }?.status == 403)
                #expect(await problem { try await route(SchedulerClient(none)) }?.status == 401)
                try await route(SchedulerClient(admin))
            }
            let client = SchedulerClient(admin)
            let empty = try await client.queue()
            #expect(empty.items.isEmpty && empty.tenants.map(\.name) == ["default"])
            let rules = try await client.queuePolicy()
            #expect(rules.file == nil && rules.yaml == QueuePolicy().yaml)

            var reports = ReportMaker()
            _ = try await SchedulerClient(node).report(reports.make([gpu("dev-a")]))
            _ = try await client.submit(spec("runs"))
            _ = try await client.submit(spec("waits", vram: 500))
            let queue = try await client.queue()
            #expect(queue.items.map(\.name) == ["waits"] && queue.items.map(\.code) == ["room"])
            #expect(queue.tenants.map(\.placed) == [1] && queue.tenants.map(\.queued) == [1])
            #expect(try await client.defragment(plan).moves.isEmpty)

            func refused(_ request: DefragmentationRequest) async -> Int? {
                let found = await problem { _ = try await client.defragment(request) }
                return found?.status
            }
            #expect(await refused(.init(workload: "nobody", run: false, by: "ada")) == 404)
            #expect(await refused(.init(workload: "runs", run: false, by: "ada")) == 409)
            #expect(await refused(.init(run: false, by: "")) == 400)
            #expect(await refused(.init(run: false, by: String(repeating: "x", count: 9999))) == 400)
            #expect(await refused(.init(workload: String(repeating: "x", count: 9999), run: false, by: "ada")) == 404)
            #expect(await refused(.init(run: true, by: "ada")) == 403)
            struct Misspelt: Encodable { let by = "ada", rnu = true }
            let unknown = await problem {
                _ = try await admin.post(Routes.defragmentation, Misspelt(), as: DefragmentationView.self)
            }
            #expect(unknown?.status == 400 && unknown?.detail.contains("unknown field 'rnu'") == true)
            for client in [admin, node, none] { await client.shutdown() }
        }
    }

    @Test func `exchange rates are asked and throughput is told with the admin token`() async throws {
        try await withServer { server in
            let admin = server.client(server.admin)
            let node = server.client(server.node)
            let client = SchedulerClient(admin)
            let report = ThroughputReport(
                card: "910B3", workloadClass: .decode, precision: .bf16, workload: "llama 8b", unit: "tokens/s",
                throughput: 1234, baseline: .init(card: "A100-80G", throughput: 1800), by: "ada")
            let forget = ForgetThroughputRequest(card: "910B3", workloadClass: .decode, precision: .bf16, by: "ada")
            let refused: [@Sendable (SchedulerClient) async throws -> Void] = [
                { _ = try await $0.exchange(class: .decode, precision: .fp16) },
                { _ = try await $0.exchangeRate(from: "T4", to: "A10", class: .decode, precision: .fp16) },
                { _ = try await $0.throughput() }, { _ = try await $0.report(report) },
                { _ = try await $0.forget(forget) },
            ]
            for request in refused {
                #expect(await problem { try await request(SchedulerClient(node)) }?.status == 403)
            }
            let before = try await client.exchangeRate(
                from: "910B3", to: "a100 80gb", class: .decode, precision: .bf16)
            #expect(before.to == "NVIDIA A100-SXM4-80GB" && !before.terms.contains { $0.kind == .observed })
            #expect(try await client.report(report).items.count == 2)
            let after = try await client.exchangeRate(
                from: "910B3", to: "a100 80gb", class: .decode, precision: .bf16)
            #expect(after.terms.contains { $0.kind == .observed } && after.rate < before.rate)
            #expect(try await client.throughput().items.map(\.key.workload) == ["llama 8b", "llama 8b"])
            #expect(try await client.exchange(class: .training, precision: .int8).items.isEmpty)

            for (query, status) in [
                ("", 400), ("?from=T4", 400), ("?from=T4&to=", 400), ("?from=T4&to=T5", 404),
                ("?from=T4&to=A10&class=chat", 400), ("?from=T4&to=A10&precision=fp12", 400),
                ("?from=T4&to=A10&colour=red", 400), ("?from=T4&to=A10&precision=fp8", 404),
                ("?from=A100%20SXM&to=A10", 400),
            ] {
                #expect(
                    await problem { _ = try await admin.getText("\(Routes.exchangeRate)\(query)") }?.status == status,
                    "\(query)")
            }
            struct Misspelt: Encodable {
                let card = "T4", workloadClass = "decode", precision = "fp16", workload = "w", unit = "u"
                let throughput = 1, by = "a", base = 1
            }
            let unknown = await problem {
                _ = try await admin.post(Routes.throughput, Misspelt(), as: ItemList<ThroughputRecord>.self)
            }
            #expect(unknown?.status == 400 && unknown?.detail.contains("unknown field 'base'") == true)
            struct Unbound: Encodable { let card = "910B3", workloadClass = "decode", by = "a", clas = "x" }
            let odd = await problem {
                _ = try await admin.post(Routes.forgetThroughput, Unbound(), as: ItemList<ThroughputRecord>.self)
            }
            #expect(odd?.status == 400 && odd?.detail.contains("unknown field 'clas'") == true)
            #expect(try await client.forget(forget).items.map(\.key.card) == ["910B3"])
            #expect(try await client.forget(forget).items.isEmpty)
            let again = try await client.exchangeRate(
                from: "910B3", to: "a100 80gb", class: .decode, precision: .bf16)
            #expect(again.rate == before.rate)
            for client in [admin, node] { await client.shutdown() }
        }
    }

    @Test func `bad input is a problem that says what and where`() async throws {
        try await withServer { server in
            let client = server.client(server.admin)
            struct Misspelt: Encodable { let name = "w", command = ["x"], runtime = "cuda", vram = 1, vrm = 2 }
            struct Negative: Encodable { let name = "w", command = ["x"], runtime = "cuda", vram = -1 }
            struct Opencl: Encodable { let name = "w", command = ["x"], runtime = "opencl", vram = 1 }
            let unknown = await problem {
                _ = try await client.post(Routes.workloads, Misspelt(), as: WorkloadView.self)
            }
            #expect(unknown?.status == 400)
            #expect(unknown?.detail.contains("unknown field 'vrm'") == true)
            #expect(
                await problem { _ = try await client.post(Routes.workloads, Negative(), as: WorkloadView.self) }?.status
                    == 400)
            #expect(
                await problem { _ = try await client.post(Routes.workloads, Opencl(), as: WorkloadView.self) }?.status
                    == 400)
            #expect(await problem { _ = try await client.getText("/v1/nothing") }?.code == "not-found")
            struct Renamed: Encodable { let vram = 1, name = "x" }
            let renamed = await problem {
                _ = try await client.patch("/v1/workloads/w", Renamed(), as: WorkloadView.self)
            }
            #expect(renamed?.status == 400 && renamed?.detail.contains("unknown field 'name'") == true)
            #expect(await problem { _ = try await client.getText("/v1/workloads/nobody") }?.status == 404)
            #expect(await problem { _ = try await client.getText("/v1/workloads?all=maybe") }?.status == 400)
            #expect(await problem { _ = try await client.getText("/v1/nodes/n1/assignments?after=-1") }?.status == 400)
            #expect(
                await problem { _ = try await client.getText("/v1/nodes/n1/assignments?after=0&wait=999") }?.status
                    == 400)
            let large = [String(repeating: "a", count: APILimits.requestBody + 1)]
            #expect(
                await problem { _ = try await client.post(Routes.workloads, large, as: WorkloadView.self) }?.status
                    == 413)
            var reports = ReportMaker(node: "n2")
            let report = reports.make([])
            #expect(
                await problem { _ = try await SchedulerClient(client).report(report, node: "n1") }?.status
                    == 400)
            let left = try await SchedulerClient(client).workloads(all: true)
            #expect(left.items.isEmpty)
            await client.shutdown()
        }
    }

    @Test func `a connection that asks nothing is closed, and a long poll is not`() async throws {
        try await withServer(idleSeconds: 1) { server in
            let port = try #require(URL(string: server.url)?.port)
            let silent = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(silent) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(UInt16(port)).bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(silent, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            #expect(connected == 0)
            let client = server.client(server.node)
            let revision = try await SchedulerClient(client).assignments(node: "n1", after: .zero, wait: 3).revision
            #expect(revision == .zero)
            var byte: UInt8 = 0
            let closed = await eventually {
                recv(silent, &byte, 1, Int32(MSG_DONTWAIT)) == 0
            }
            #expect(closed)
            await client.shutdown()
        }
    }

    @Test func `tokens are for their owner's eyes only`() async throws {
        try await withServer { server in
            for name in ["admin.token", "node.token"] {
                let mode =
                    try FileManager.default.attributesOfItem(atPath: "\(server.directory)/\(name)")[.posixPermissions]
                    as? Int
                #expect(mode == 0o600)
            }
            #expect(server.admin != server.node)
        }
    }

    @Test func `a scheduler that is ended keeps its events`() async throws {
        let directory = try TemporaryDirectory()
        let daemon = SchedulerDaemon(
            configuration: SchedulerConfiguration(
                host: "127.0.0.1", port: 0, stateDirectory: directory.file("state"), insecure: false),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let run = Task { try await daemon.run() }
        var url = ""
        _ = await eventually {
            url = (try? String(contentsOfFile: directory.file("state/address"), encoding: .utf8)) ?? ""
            return !url.isEmpty
        }
        let token = try String(contentsOfFile: directory.file("state/node.token"), encoding: .utf8)
        let client = HTTPAPIClient(
            endpoint: .url(url.trimmingCharacters(in: .newlines)), token: token.trimmingCharacters(in: .newlines),
            slackSeconds: 120)
        var reports = ReportMaker()
        // The second changes nothing that must be stored at once.
        for score in [100, 0] {
            _ = try await SchedulerClient(client).report(reports.make([gpu("dev-a", score: score)]))
        }
        await client.shutdown()
        run.cancel()
        _ = try? await run.value
        let events = try await SQLiteStore(path: directory.file("state/scheduler.db")).load().events
        #expect(events.map(\.kind).suffix(2) == [.deviceHealth, .faultLatched])
    }

    @Test func `a second scheduler on the same directory is refused`() async throws {
        try await withServer { server in
            let second = SchedulerDaemon(
                configuration: SchedulerConfiguration(
                    host: "127.0.0.1", port: 0, stateDirectory: server.directory, insecure: false),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            await #expect { try await second.run() } throws: { ($0 as? SchedulerError)?.code == .inUse }
        }
    }

    @Test func `listening beyond loopback needs to be asked for`() async {
        let daemon = SchedulerDaemon(
            configuration: SchedulerConfiguration(
                host: "0.0.0.0", port: 0, stateDirectory: "/nonexistent", insecure: false),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await #expect { try await daemon.run() } throws: { ($0 as? SchedulerError)?.code == .configuration }
    }
}
