import Glibc
import HCSAPI
import HCSAgent
import HCSHealth
import HCSModel
import HCSProbe
import HCSSystem
import HCSTestSupport
import Testing

@Suite struct AgentConfigurationTests {
    private func make(
        _ environment: [String: String] = [:], uid: UInt32 = 0, hostname: String = "Box", existing: Set<String> = [],
        _ change: (inout AgentConfiguration.Flags) -> Void = { _ in }
    ) throws -> AgentConfiguration {
        var flags = AgentConfiguration.Flags()
        change(&flags)
        return try AgentConfiguration(
            flags: flags, environment: environment, uid: uid, hostname: hostname, executable: "/opt/hcs/bin/hcs-agent",
            fileExists: existing.contains)
    }

    @Test func `root has the places of the conventions`() throws {
        let root = try make()
        #expect(root.configDirectory == "/etc/hcs")
        #expect(root.stateDirectory == "/var/lib/hcs-agent")
        #expect(root.socketPath == "/run/hcs/agent.sock")
        #expect(root.segmentDirectory == "/dev/shm/hcs")
        #expect(root.workloadUser == "hcs-workload")
        #expect(root.scheduler == nil)
        #expect(root.worker == "/opt/hcs/bin/hcs-vendor-worker")
        #expect(root.interceptor == "/usr/lib/hcs/libhcs_interceptor.so")
        #expect(root.nodeName == "box")
        let installed = try make(existing: ["/opt/hcs/bin/../lib/hcs/libhcs_interceptor.so"])
        #expect(installed.interceptor == "/opt/hcs/bin/../lib/hcs/libhcs_interceptor.so")
    }

    @Test func `calls are timed only where that is asked for, and then by the agent and the doctor alike`() throws {
        let plain = try make().probes(start: .now)
        #expect(plain.vendorCalls == nil && !plain.timesDeviceCalls)
        let asked = try make([:]) {
            $0.timedLibraries = ["/usr/lib/libcuda.so.1", "/usr/lib/libcnrt.so"]
            $0.vendorCallThresholdMilliseconds = 250
            $0.timesDeviceCalls = true
        }.probes(start: .now)
        #expect(asked.vendorCalls?.libraries == ["/usr/lib/libcuda.so.1", "/usr/lib/libcnrt.so"])
        #expect(asked.vendorCalls?.thresholdSeconds == 0.25 && asked.timesDeviceCalls)
        #expect(asked.vendorCalls?.functions == VendorCallOptions.usualFunctions)
        let names = ProbeRegistry.probes(for: asked).map(\.name)
        #expect(names.contains("vendor-calls") && names.contains("device-calls"))
        #expect(Set(ProbeRegistry.probes(for: plain).map(\.name)).isDisjoint(with: ["vendor-calls", "device-calls"]))
    }

    @Test func `anybody else has XDG's, and a segment directory of its own`() throws {
        let user = try make(["XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/u"], uid: 7)
        #expect(user.socketPath == "/run/user/7/hcs/agent.sock")
        #expect(user.stateDirectory == "/home/u/.local/state/hcs/hcs-agent")
        #expect(user.segmentDirectory == "/dev/shm/hcs-7")
        #expect(!user.isRoot)
    }

    @Test func `a flag beats the variable, which beats the default`() throws {
        let environment = ["HCS_STATE_DIR": "/a", "HCS_RUNTIME_DIR": "/b", "HCS_SCHEDULER": "http://env:1"]
        #expect(try make(environment).stateDirectory == "/a")
        let flagged = try make(environment) {
            $0.stateDirectory = "/flag/"
            $0.scheduler = "http://flag:2"
        }
        #expect(flagged.stateDirectory == "/flag")
        #expect(flagged.runtimeDirectory == "/b")
        #expect(flagged.scheduler == "http://flag:2")
        #expect(try make(environment).scheduler == "http://env:1")
    }

    @Test func `flags that make no sense are usage errors`() {
        func refused(_ comment: Comment, _ change: (inout AgentConfiguration.Flags) -> Void) {
            let error = #expect(throws: AgentError.self, comment) { try make([:], change) }
            #expect(error?.exitCode == 64, comment)
        }
        refused("relative directory") { $0.stateDirectory = "x" }
        refused("no URL") { $0.scheduler = "127.0.0.1:8470" }
        refused("upper case") { $0.nodeName = "Node" }
        refused("a path as a name") { $0.nodeName = "../x" }
        refused("too quick") { $0.sampleIntervalMilliseconds = 1 }
        refused("no port") { $0.metricsPort = 65_536 }
        refused("not absolute") { $0.timedLibraries = ["libcuda.so.1"] }
        refused("too many") { $0.timedLibraries = Array(repeating: "/a", count: 9) }
        refused("of nothing") { $0.vendorCallThresholdMilliseconds = 10 }
        refused("no time") { ($0.timedLibraries, $0.vendorCallThresholdMilliseconds) = (["/a"], 0) }
        refused("no such names") { $0.compatibility = "otel" }
        refused("no policy") { $0.escapePolicy = "kill" }
    }

    @Test func `DCGM's names are served unless a flag says otherwise`() throws {
        #expect(try make().compatibility == .dcgm)
        #expect(try make([:]) { $0.compatibility = "none" }.compatibility == .none)
    }

    @Test func `escapes are told unless a flag says otherwise`() throws {
        #expect(try make().escapePolicy == .report)
        #expect(try make([:]) { $0.escapePolicy = "terminate" }.escapePolicy == .terminate)
    }

    @Test(arguments: [
        ("Box.Example.ORG", "box.example.org"), ("my_host", "my-host"), ("-x", "x"), ("", "localhost"),
        ("ü", "localhost"),
    ])
    func `a host name becomes a node name`(hostname: String, expected: String) {
        #expect(AgentConfiguration.nodeName(from: hostname) == expected)
    }

    @Test func `a second agent of the same directory is told who holds it`() throws {
        let directory = try TemporaryDirectory()
        do {
            let first = try AgentLock(path: directory.file("agent.lock"))
            let error = #expect(throws: AgentError.self) { _ = try AgentLock(path: directory.file("agent.lock")) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("process \(getpid())") == true)
            _ = consume first
        }
        _ = try AgentLock(path: directory.file("agent.lock"))
    }

    @Test func `the built-in health policy is used unless the operator has one, which is read strictly`() throws {
        let directory = try TemporaryDirectory()
        #expect(try Agent.healthPolicy(at: directory.file("health.yaml")).collector.missesInARow == 3)
        let over = try directory.write("collector: {missesInARow: 5}\n", to: "other.yaml")
        #expect(try Agent.healthPolicy(at: over).collector.missesInARow == 5)
        let path = try directory.write("version: 2\ncolour: 2\n", to: "health.yaml")
        let error = #expect(throws: AgentError.self) { try Agent.healthPolicy(at: path) }
        #expect(error?.code == .configuration && error?.exitCode == 78)
        #expect(error?.message.contains("colour") == true)
    }

    @Test func `a real device beside a simulation is listed and given no work`() async {
        let state = AgentFixtures.state(simulating: true)
        await state.set(devices: [AgentFixtures.device("GPU-real"), AgentFixtures.device("GPU-sim", simulated: true)])
        let reports = await state.deviceReports()
        #expect(reports.map(\.device.id.uuid) == ["GPU-real", "GPU-sim"])
        #expect(reports.map { $0.blocked != nil } == [true, false])
    }

    @Test func `a damaged health state is set aside and the agent starts`() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("{ not json", to: "health.json")
        let policy = try Agent.healthPolicy(at: "/nonexistent/policy")
        let monitor = HealthMonitor(policy: policy, bootID: "b", path: path, logger: AgentFixtures.logger)
        #expect(access(path + ".damaged", F_OK) == 0)
        await monitor.update(devices: [AgentFixtures.device()], at: 0)
        let fault = Fault(
            family: "xid", code: 79, vendor: .nvidia, pci: nil, message: "m", sequence: 5, atMilliseconds: 0,
            simulated: false)
        #expect(await monitor.record([fault]) == [.counted([DeviceID("GPU-a")])])
        await monitor.save()
        let next = HealthMonitor(policy: policy, bootID: "b", path: path, logger: AgentFixtures.logger)
        await next.update(devices: [AgentFixtures.device()], at: 0)
        #expect(await next.healths(at: 0)[DeviceID("GPU-a")]?.score == 0, "the latch survives the restart")
        #expect(await next.record([fault]) == [.duplicate])
    }
}
