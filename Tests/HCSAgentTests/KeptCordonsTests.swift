import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import Logging
import NativeArtifacts
import Testing

@Suite(.enabled(if: AgentFixtures.hasShim, "skipped, because the preload library is not built"))
struct KeptCordonsTests {
    private let host: SupervisedHost
    private let lines = KeptLines()
    private var path: String { host.directory.file("cordons.json") }

    init() throws { host = try SupervisedHost() }

    private func cordon(_ device: String?, of node: String = "n1", _ reason: String = "ticket 7") -> Cordon {
        Cordon(
            target: .init(node: node, device: device.map { DeviceID($0) }), reason: reason, by: "ada@host",
            atMilliseconds: 1, drains: false)
    }

    private func started(node: String = "n1") async -> WorkloadSupervisor {
        let supervisor = host.supervisor(keptCordons: KeptCordons(path: path, node: node), logger: lines.logger)
        await supervisor.rediscover()
        await supervisor.update(
            devices: [
                AgentFixtures.report(AgentFixtures.device("GPU-a")),
                AgentFixtures.report(AgentFixtures.device("GPU-b")),
            ])
        return supervisor
    }

    private func tell(_ supervisor: WorkloadSupervisor, _ cordons: [Cordon]?) async {
        await supervisor.apply(NodeAssignments(node: "n1", revision: Revision(1), workloads: [], cordons: cordons))
    }

    /// Why GPU-a is not leased; nil where it is.
    private func refusal(_ supervisor: WorkloadSupervisor) async throws -> String? {
        let child = try ProcessSpawner(path: "/bin/sleep", arguments: ["600"]).spawn()
        defer {
            try? child.signal(SIGKILL)
            _ = try? child.wait(milliseconds: 5000)
        }
        let request = LeaseRequest(
            vendor: .nvidia, device: DeviceID("GPU-a"), bytes: .gibibytes(1), pid: child.pid,
            startTime: try Procfs().stat(of: child.pid).startTime)
        do {
            _ = try await supervisor.lease(request, peer: LeasePeer(pid: getpid(), uid: geteuid(), gid: getegid()))
            return nil
        } catch {
            return error.detail
        }
    }

    private func cleanUp() async { await host.cleanUp() }

    @Test func `what is cordoned is not leased after a restart, until the scheduler says otherwise`() async throws {
        await tell(await started(), [cordon("GPU-a"), cordon("GPU-a", of: "n2")])
        let again = await started()
        #expect(try await refusal(again)?.contains("GPU-a: it is cordoned by ada@host: ticket 7") == true)
        #expect(lines.texts.contains { $0.hasPrefix("notice 1 cordons are heeded") })
        await tell(again, nil)
        #expect(try await refusal(again) == nil)
        #expect(try await refusal(await started()) == nil, "lifted for the next start too")
        await cleanUp()
    }

    @Test func `a node's own cordon holds all its devices, and that of another name none`() async throws {
        await tell(await started(), [cordon(nil)])
        #expect(try await refusal(await started())?.contains("its node is cordoned") == true)
        #expect(try await refusal(await started(node: "n2")) == nil)
        #expect(lines.texts.contains { $0.contains("is of node n1, not of n2") })
        await cleanUp()
    }

    @Test func `a file that is damaged is set aside with an error, and nothing is held back`() async throws {
        for text in ["", "{", "[]", #"{"node": 7}"#, #"{"node": "n1", "cordons": [{}]}"#, "\u{1}"] {
            unlink(path + ".damaged")
            try host.directory.write(text, to: "cordons.json")
            let supervisor = await started()
            #expect(try await refusal(supervisor) == nil)
            #expect(try SmallFile.text(path + ".damaged") == text, "\(text.debugDescription)")
            #expect(lines.texts.last { $0.hasPrefix("error") }?.contains("damaged and set aside") == true)
            await tell(supervisor, [cordon("GPU-a")])
            #expect(try await refusal(await started()) != nil, "and it is kept again")
        }
        await cleanUp()
    }

    @Test func `however much is told, what is kept is bounded and can be read again`() async throws {
        let long = String(repeating: "\u{1}", count: 100_000)
        let many = (0..<20_000).map { cordon("GPU-\($0)", $0 == 0 ? long : "r") } + [cordon(nil, "whole")]
        await tell(await started(), many)
        let kept = try SmallFile.read(path)
        #expect(kept.count < 1 << 20)
        #expect(try await refusal(await started())?.contains("its node is cordoned by ada@host: whole") == true)
        #expect(!lines.texts.contains { $0.hasPrefix("error") })
        await cleanUp()
    }

    @Test func `what cannot be written is told, and holds all the same`() async throws {
        let supervisor = host.supervisor(
            keptCordons: KeptCordons(path: host.directory.file("missing/cordons.json"), node: "n1"),
            logger: lines.logger)
        await supervisor.update(devices: [AgentFixtures.report(AgentFixtures.device("GPU-a"))])
        await tell(supervisor, [cordon("GPU-a")])
        #expect(try await refusal(supervisor) != nil)
        #expect(lines.texts.contains { $0.hasPrefix("error cordons are not kept") })
        await cleanUp()
    }

    @Test func `what did not change is not written again`() async throws {
        let supervisor = await started()
        await tell(supervisor, nil)
        #expect(!FileManager.default.fileExists(atPath: path), "nothing to keep")
        await tell(supervisor, [cordon("GPU-b")])
        unlink(path)
        await tell(supervisor, [cordon("GPU-b")])
        #expect(!FileManager.default.fileExists(atPath: path))
        await cleanUp()
    }
}
