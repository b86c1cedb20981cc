import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import NativeArtifacts
import Testing

@Suite("A host as it is", .serialized)
struct RealHostTests {
    /// PCI vendors of accelerators; a machine that has one is not what these tests are about.
    static let hasAccelerators: Bool = {
        let makers = Set(Vendor.allCases.map { "0x" + String($0.pciVendorID, radix: 16) })
        let root = "/sys/bus/pci/devices"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return names.contains { name in
            let vendor = try? String(contentsOfFile: "\(root)/\(name)/vendor", encoding: .utf8)
            return vendor.map { makers.contains($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? false
        }
    }()

    @Test(
        "an agent without --simulate registers the host with zero devices",
        .disabled(if: hasAccelerators, "skipped, because this machine has accelerators"))
    func noDevices() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent()
        var nodes: [NodeView] = []
        let seen = await eventually(every: .milliseconds(50)) {
            nodes = (try? await cluster.withScheduler { try await $0.nodes().items }) ?? []
            return !nodes.isEmpty
        }
        #expect(seen, "no node; agent: \(cluster.log("hcs-agent"))")
        let node = try #require(nodes.first)
        #expect(node.name == "host-a")
        #expect(node.state == .ready)
        #expect(node.deviceCount == 0)
        #expect(node.host.cpuCount > 0)
        #expect(node.host.memory.bytes > 0)
        #expect(try await cluster.withScheduler { try await $0.devices().items }.isEmpty)
        let shown = try await cluster.run("hcs", ["nodes"])
        #expect(shown.code == 0)
        #expect(shown.output.contains("host-a") && shown.output.contains("none"))
    }

    @Test(
        "doctor tells libraries that are there and do not start from none at all",
        .disabled(if: hasAccelerators, "skipped, because this machine has accelerators"))
    func doctorOfFailingLibraries() async throws {
        // Without a simulated host's state their drivers are not loaded.
        let result = try await Programs.run(
            "hcs", ["doctor"], environment: ["LD_LIBRARY_PATH": NativeArtifacts.simulatedLibraries])
        #expect(result.code == 0, "\(result.error)")
        let lines = result.output.split(separator: "\n").filter { $0.hasPrefix("  fails") }
        #expect(lines.count == 4 && lines.allSatisfy { $0.contains(NativeArtifacts.simulatedLibraries) })
        #expect(lines.first?.contains("nvmlInit_v2: Driver Not Loaded (9)") == true, "\(result.output)")
        #expect(result.output.contains("is here and does not work") && !result.output.contains("none of the four"))
    }

    @Test(
        "doctor says in plain words that no vendor is there, and exits 0",
        .disabled(if: hasAccelerators, "skipped, because this machine has accelerators"))
    func doctor() async throws {
        let table = try await Programs.run("hcs", ["doctor"])
        #expect(table.code == 0, "\(table.error)")
        for vendor in Vendor.allCases { #expect(table.output.contains(vendor.displayName), "\(table.output)") }
        #expect(table.output.contains("none of the four vendors"), "\(table.output)")
        let json = try await Programs.run("hcs", ["doctor", "--output", "json"])
        #expect(json.code == 0, "\(json.error)")
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(json.output.utf8)) }
    }

    @Test("the processors of this host are measured, kept and shown again")
    func fingerprintOfProcessors() async throws {
        let directory = try TemporaryDirectory()
        let places = ["HCS_STATE_DIR", "HCS_CONFIG_DIR", "HCS_RUNTIME_DIR"]
        let environment = Dictionary(uniqueKeysWithValues: places.map { ($0, directory.path) })
        let measured = try await Programs.run(
            "hcs", ["fingerprint", "--measure", "--cpu", "--output", "json"], environment: environment)
        #expect(measured.code == 0, "\(measured.error)")
        #expect(measured.output.contains("\"fp32\"") && measured.output.contains("\"fp64\""), "\(measured.output)")
        let shown = try await Programs.run("hcs", ["fingerprint", "--cpu"], environment: environment)
        #expect(shown.code == 0 && shown.output.contains("fp32 TFLOPS") && shown.output.contains(" ago, "))
        let unknown = try await Programs.run("hcs", ["fingerprint", "nvidia:99"], environment: environment)
        #expect(unknown.code == 64 && unknown.error.contains("no device 'nvidia:99' here"))
    }
}
