import Foundation
import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import HCSTestSupport
import Logging
import Synchronization
import Testing

@Suite struct AlertTests {
    private func event(
        _ sequence: UInt64 = 1, _ severity: FleetEvent.Severity = .critical, device: String = "a",
        kind: FleetEvent.Kind = .deviceHealth
    ) -> FleetEvent {
        FleetEvent(
            sequence: sequence, atMilliseconds: 5, kind: kind, severity: severity, node: "n1",
            device: DeviceID(device), message: "100 healthy -> 0 failed: Xid 79", simulated: true)
    }

    // MARK: Which

    @Test func `a severity below the threshold is no alert, and a failed alert never is`() {
        var limiter = AlertLimiter(threshold: .warning)
        #expect(limiter.judge(event(1, .info), monotonic: 0) == .unwanted)
        #expect(limiter.judge(event(1, .critical, kind: .alertFailed), monotonic: 0) == .unwanted)
        #expect(limiter.judge(event(1, .warning), monotonic: 0) == .send(suppressed: 0))
    }

    @Test func `one device and kind alerts once in five minutes, but a worse severity at once`() {
        var limiter = AlertLimiter(threshold: .warning)
        #expect(limiter.judge(event(1, .warning), monotonic: 0) == .send(suppressed: 0))
        for i in 1...7 { #expect(limiter.judge(event(1, .warning), monotonic: Int64(i)) == .suppressed) }
        #expect(limiter.judge(event(1, .critical), monotonic: 8) == .send(suppressed: 0))
        #expect(limiter.judge(event(1, .warning, device: "b"), monotonic: 8) == .send(suppressed: 0))
        #expect(limiter.judge(event(1, .warning, kind: .deviceLost), monotonic: 8) == .send(suppressed: 0))
        let last = AlertLimiter.spacingMilliseconds
        #expect(limiter.judge(event(1, .warning), monotonic: last - 1) == .suppressed)
        #expect(limiter.judge(event(1, .warning), monotonic: last) == .send(suppressed: 8))
    }

    @Test func `all together have a limit in a minute`() {
        var limiter = AlertLimiter(threshold: .warning)
        let verdicts = (0..<100).map { limiter.judge(event(1, device: "d\($0)"), monotonic: Int64($0)) }
        #expect(verdicts.prefix(AlertLimiter.mostPerMinute).allSatisfy { $0 == .send(suppressed: 0) })
        #expect(verdicts.dropFirst(AlertLimiter.mostPerMinute).allSatisfy { $0 == .dropped })
        #expect(limiter.judge(event(1, device: "later"), monotonic: 60_029) == .send(suppressed: 0))
    }

    @Test func `a flood costs neither time nor memory, and what was dropped is told with the next`() async throws {
        let clock = ManualClock()
        let queue = AlertQueue(name: "r", threshold: .warning, clock: clock)
        for minute in 0..<20 {
            queue.offer((0..<100).map { event(UInt64($0), $0 == 0 ? .critical : .warning, device: "\(minute)-\($0)") })
            clock.advance(by: 60_000)
        }
        let status = queue.status
        #expect(status.queued == AlertQueue.capacity)
        #expect(status.dropped == 2_000 - UInt64(AlertQueue.capacity))
        let gate = Gate()
        let sender = RecordingSender { _ in await gate.pass() }
        try await delivering(queue, sender) {
            await gate.open()
            #expect(await eventually { queue.status.delivered == UInt64(AlertQueue.capacity) })
        }
        let alerts = sender.alerts
        #expect(alerts.count { $0.event.severity == .critical } == 20, "the worst are the last to be dropped")
        #expect(alerts.first?.dropped == 2_000 - AlertQueue.capacity)
        #expect(alerts.dropFirst().allSatisfy { $0.dropped == 0 })
    }

    // MARK: Delivery

    private func delivering(
        _ queue: AlertQueue, _ sender: some AlertSender, pauses: [Duration] = [.milliseconds(1), .milliseconds(1)],
        gaveUp: @escaping @Sendable (String) async -> Void = { _ in }, _ body: () async throws -> Void
    ) async throws {
        let delivery = AlertDelivery(queue: queue, sender: sender, pauses: pauses, gaveUp: gaveUp)
        let task = Task { try await delivery.run() }
        try await body()
        task.cancel()
        _ = try? await task.value
    }

    @Test func `what fails is tried again, a few times, and then told`() async throws {
        let queue = AlertQueue(name: "r", threshold: .info, clock: ManualClock())
        let sender = RecordingSender { alert in
            if alert.event.sequence == 2 { throw AlertError("HTTP 500") }
            if alert.event.sequence == 3 { throw AlertError("HTTP 404", isTransient: false) }
        }
        let told = Mutex<[String]>([])
        try await delivering(queue, sender, gaveUp: { text in told.withLock { $0.append(text) } }) {
            queue.offer((1...4).map { event($0, device: "d\($0)") })
            #expect(await eventually { queue.status.delivered == 2 && queue.status.failed == 2 })
        }
        #expect(sender.alerts.map(\.event.sequence) == [1, 2, 2, 2, 3, 4])
        #expect(
            told.withLock(\.self) == [
                "recorder: event 2 (device-health) not delivered in 3 tries: HTTP 500",
                "recorder: event 3 (device-health) not delivered in 1 tries: HTTP 404",
            ])
    }

    @Test func `a receiver that hangs holds up neither the scheduler nor another receiver`() async throws {
        let clock = ManualClock()
        let scheduler = try await Scheduler.open(
            store: MemoryStore(), clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let queues = ["hangs", "works"].map { AlertQueue(name: $0, threshold: .warning, clock: clock) }
        await scheduler.send(alerts: queues)
        let gate = Gate()
        let works = RecordingSender { _ in }
        try await delivering(queues[0], RecordingSender { _ in await gate.pass() }) {
            try await delivering(queues[1], works) {
                var reports = ReportMaker()
                for round in 0..<50 {
                    clock.advance(by: 60_000)
                    _ = try await scheduler.receive(reports.make([gpu("a", score: round % 2 == 0 ? 100 : 0)]))
                }
                #expect(
                    await eventually { queues[1].status.queued == 0 && !works.alerts.isEmpty })
                #expect(await scheduler.alertStatus().items.map(\.receiver) == ["hangs", "works"])
                #expect(queues[0].status.delivered == 0)
                await gate.open()
            }
        }
        #expect(works.alerts.allSatisfy { $0.simulated && $0.event.severity >= .warning })
    }

    // MARK: Webhook

    @Test(
        arguments: [
            ("", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
            (
                "key", "The quick brown fox jumps over the lazy dog",
                "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
            ),
            // RFC 4231, test case 2.
            (
                "Jefe", "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
        ])
    func `a signature is HMAC-SHA256`(key: String, message: String, expected: String) {
        #expect(HMAC.hex(HMAC.sha256(Array(message.utf8), key: Array(key.utf8))) == expected)
    }

    @Test func `a signature is right for keys and texts of every length around a block`() {
        let long = HMAC.sha256(
            Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            key: [UInt8](repeating: 0xaa, count: 131))
        #expect(HMAC.hex(long) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        var digest: [UInt8] = []
        for length in 0..<200 {
            digest = HMAC.sha256(digest + [UInt8](repeating: 7, count: length), key: Array("k".utf8))
        }
        #expect(HMAC.hex(digest) == Self.chained)
    }

    /// By Python's hmac over the same chain.
    private static let chained = "d53f99e2862a29db15bc6dc87d3bf810a9b6ebe6eb763ac8dd3bdcc48c0a3fc4"

    @Test func `the webhook gets a signed payload that says what happened and whether it is simulated`() async throws {
        let server = try RawServer(answer: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        let secret = Array("0123456789abcdef".utf8)
        let sender = WebhookSender(url: server.url, name: "w", secret: secret, timeout: .seconds(30))
        let queue = AlertQueue(name: "w", threshold: .warning, clock: ManualClock())
        try await delivering(queue, sender) {
            queue.offer([event(9)])
            #expect(await eventually { queue.status.delivered == 1 })
        }
        let request = try #require(server.requests.first)
        let parts = try #require(request.range(of: "\r\n\r\n"))
        let headers = request[..<parts.lowerBound].split(separator: "\r\n")
        func header(_ name: String) -> String? {
            headers.first { $0.lowercased().hasPrefix(name + ":") }.map {
                $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
            }
        }
        let body = Data(request[parts.upperBound...].utf8)
        #expect(headers.first?.hasPrefix("POST /hook ") == true)
        #expect(header("content-type") == "application/json")
        let timestamp = try #require(header("x-hcs-timestamp"))
        #expect(header("x-hcs-signature") == WebhookSender.signature(timestamp: timestamp, body: body, secret: secret))
        let alert = try HCSJSON.decode(Alert.self, from: body)
        #expect(alert.simulated && alert.version == 1 && alert.event == event(9))
        #expect(alert.text == "critical device-health [simulated] n1 a: 100 healthy -> 0 failed: Xid 79")
    }

    @Test(
        arguments: [
            ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP 500", true),
            ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "HTTP 404", false),
            ("HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "HTTP 302", false),
        ])
    func `an answer that is no success is an error, and a redirect is not followed`(
        answer: String, message: String, isTransient: Bool
    ) async throws {
        let server = try RawServer(answer: answer)
        let sender = WebhookSender(url: server.url, name: "w", secret: nil, timeout: .seconds(30))
        await #expect(throws: AlertError(message, isTransient: isTransient)) { try await sender.send(Data("{}".utf8)) }
        await sender.close()
        #expect(server.requests.count == 1)
    }

    @Test func `a webhook that never answers is given up after its time`() async throws {
        let server = try RawServer(answer: nil)
        let sender = WebhookSender(url: server.url, name: "w", secret: nil, timeout: .milliseconds(200))
        await #expect { try await sender.send(Data("{}".utf8)) } throws: { ($0 as? AlertError)?.isTransient == true }
        await sender.close()
    }

    // MARK: Program

    private func withScript(_ text: String, _ body: (String, TemporaryDirectory) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        try await body(directory.writeProgram("#!/bin/sh\n" + text, to: "hook"), directory)
    }

    @Test func `a program gets the alert on its standard input, without arguments or our environment`() async throws {
        try await withScript("cat > \"$0.in\"; echo \"$# $(env | cut -d= -f1 | sort | tr '\\n' ' ')\" > \"$0.env\"") {
            path, _ in
            let sender = ProgramSender(path: path, deadline: .seconds(60))
            let body = Data(#"{"a":"$(touch x); \"quoted\""}"#.utf8)
            try await sender.send(body)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path + ".in")) == body)
            let told = try String(contentsOfFile: path + ".env", encoding: .utf8)
            let names = Set(told.split(whereSeparator: \.isWhitespace))
            #expect(names.isSubset(of: ["0", "PATH", "PWD", "SHLVL", "_", "OLDPWD"]), "\(told)")
        }
    }

    @Test func `a program that fails is an error, and one that never reads is none`() async throws {
        try await withScript("exit 3") { path, _ in
            await #expect(throws: AlertError("it ended with exit 3")) {
                try await ProgramSender(path: path, deadline: .seconds(60)).send(Data("{}".utf8))
            }
        }
        try await withScript("exec 0<&-; exit 0") { path, _ in
            let large = Data(repeating: 0x20, count: 60_000)
            try await ProgramSender(path: path, deadline: .seconds(60)).send(large)
        }
        await #expect {
            try await ProgramSender(path: "/nonexistent/hook", deadline: .seconds(1)).send(Data())
        } throws: {
            ($0 as? AlertError)?.isTransient == false
        }
    }

    @Test func `a program that hangs is killed at its deadline with all that it started`() async throws {
        try await withScript("sleep 600 & echo $! > \"$0.child\"; echo $$ > \"$0.pid\"; wait") { path, directory in
            let sender = ProgramSender(path: path, deadline: .seconds(2))
            await #expect { try await sender.send(Data("{}".utf8)) } throws: {
                ($0 as? AlertError)?.message.hasPrefix("it was killed") == true
            }
            for file in ["pid", "child"] {
                let text = (try? String(contentsOfFile: "\(path).\(file)", encoding: .utf8)) ?? ""
                let pid = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
                #expect(
                    await eventually {
                        let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
                        return stat?.contains(") Z ") ?? true
                    })
            }
        }
    }

    // MARK: Configuration

    @Test func `what can never work is refused at the start`() async throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write("short\n", to: "short")
        _ = try directory.write("0123456789abcdef\n", to: "open")
        chmod(directory.file("short"), 0o600)
        chmod(directory.file("open"), 0o644)
        let bad: [(AlertConfiguration, String)] = [
            (.init(webhook: "ftp://host/x"), "--alert-webhook"),
            (.init(webhook: "http://u:p@host/"), "--alert-webhook"),
            (.init(webhook: "nonsense"), "--alert-webhook"), (.init(secretFile: "/x"), "without --alert-webhook"),
            (.init(webhook: "http://h/", secretFile: "/nonexistent"), "no secret"),
            (.init(webhook: "http://h/", secretFile: directory.file("short")), "less than 16 bytes"),
            (.init(webhook: "http://h/", secretFile: directory.file("open")), "everybody may read"),
            (.init(program: "relative"), "--alert-program"), (.init(program: "/nonexistent"), "--alert-program"),
        ]
        for (alerts, word) in bad {
            let daemon = SchedulerDaemon(
                configuration: SchedulerConfiguration(
                    host: "127.0.0.1", port: 0, stateDirectory: directory.file("state"), insecure: false,
                    alerts: alerts),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            await #expect("\(word)") { try await daemon.run() } throws: {
                ($0 as? SchedulerError)?.code == .configuration && "\($0)".contains(word)
            }
        }
    }
}

/// Keeps what it is given, then does as told.
private final class RecordingSender: AlertSender {
    let name = "recorder"
    private let kept = Mutex<[Alert]>([])
    private let then: @Sendable (Alert) async throws -> Void

    init(_ then: @escaping @Sendable (Alert) async throws -> Void) { self.then = then }

    var alerts: [Alert] { kept.withLock(\.self) }

    func send(_ body: Data) async throws {
        let alert = try HCSJSON.decode(Alert.self, from: body)
        kept.withLock { $0.append(alert) }
        try await then(alert)
    }

    func close() async {}
}

private actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func pass() async {
        if !isOpen { await withCheckedContinuation { waiting.append($0) } }
    }

    func open() {
        isOpen = true
        for one in waiting { one.resume() }
        waiting = []
    }
}

/// Takes connections, reads one request of each and gives one answer, or none and holds the connection.
private final class RawServer: Sendable {
    let url: String
    private let listener: Int32
    private let kept = Mutex<[String]>([])

    var requests: [String] { kept.withLock(\.self) }

    init(answer: String?) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        try withUnsafeMutablePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try #require(bind(listener, $0, size) == 0 && listen(listener, 16) == 0)
                try #require(getsockname(listener, $0, &size) == 0)
            }
        }
        url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))/hook"
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                self?.serve(connection, answer)
            }
        }
    }

    private func serve(_ connection: Int32, _ answer: String?) {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !Self.isWhole(text) {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        kept.withLock { $0.append(text) }
        guard let answer else { return }
        _ = answer.utf8.withContiguousStorageIfAvailable { send(connection, $0.baseAddress, $0.count, 0) }
        close(connection)
    }

    private static func isWhole(_ text: String) -> Bool {
        guard let end = text.range(of: "\r\n\r\n") else { return false }
        let length = text[..<end.lowerBound].lowercased().split(separator: "\r\n").first {
            $0.hasPrefix("content-length:")
        }
        let wanted = length.flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
        return text[end.upperBound...].utf8.count >= wanted
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}
