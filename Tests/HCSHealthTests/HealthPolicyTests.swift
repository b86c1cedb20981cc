import HCSHealth
import HCSModel
import Testing

@Suite struct HealthPolicyTests {
    @Test func `the built-in policy is valid, covers every vendor and names a source for each group`() throws {
        let policy = try HealthPolicy.builtIn()
        #expect(Set(policy.temperature.keys) == Set(Vendor.allCases.map(\.rawValue)))
        #expect(Set(policy.spares.limits.keys) == Set(Vendor.allCases.map(\.rawValue)))
        #expect(policy.vendorHealth.count == 4)
        #expect(policy.vendorHealth["lost"]?.latched == true)
        let sources =
            policy.groups.values.map(\.source) + policy.escalations.map(\.source)
            + policy.recoveryActions.values.map(\.source) + policy.temperature.values.map { $0.source ?? "" }
            + policy.vendorHealth.values.map(\.source)
            + [
                policy.duplicates.source, policy.latches.source, policy.coverage.source, policy.hysteresis.source,
                policy.thermalResidual.source, policy.throttle.source, policy.clock.source,
                policy.correctableErrors.source, policy.spares.source, policy.remapPending.source,
                policy.pcieReplay.source, policy.pcieLink.source, policy.pcieErrors.source, policy.links.source,
                policy.collector.source, policy.processes.source, policy.throughput.source,
            ]
        #expect(sources.allSatisfy { $0.count > 10 })
        let used = Set(FaultCatalogue.builtIn.rows.map(\.group)).union(["link-fault"])
        #expect(
            Set(policy.groups.keys).subtracting(used).isEmpty, "a group that no code falls into is a forgotten one")
    }

    @Test func `the text that is printed is the policy that is used, and overriding with it changes nothing`() throws {
        let builtIn = try HealthPolicy.builtIn()
        #expect(try HealthPolicy(yaml: HealthPolicy.builtInText, name: "printed") == builtIn)
        #expect(try HealthPolicy(yaml: "# only a comment\n", name: "empty") == builtIn)
    }

    @Test func `a file holds only what differs`() throws {
        let policy = try HealthPolicy(
            yaml: """
                codes:
                  nvidia/xid/94: {class: hard, advice: reset, source: our fleet}
                  nvidia/xid/43: {class: soft, group: other-soft-xid, source: our fleet}
                groups: {link-fault: {weight: 0.3}}
                duplicates:
                  sameFault: []
                """, name: "test")
        let builtIn = try HealthPolicy.builtIn()
        #expect(policy.groups["link-fault"]?.weight == 0.3)
        #expect(policy.groups["link-fault"]?.cap == builtIn.groups["link-fault"]?.cap)
        #expect(policy.duplicates.sameFault.isEmpty, "a list is replaced whole")
        #expect(policy.duplicates.windowSeconds == builtIn.duplicates.windowSeconds)
        func code(_ number: String) -> FaultCode { FaultCode(vendor: "nvidia", family: "xid", code: number) }
        let row = try #require(policy.row(code("94"), in: .builtIn))
        #expect(row.faultClass == .hard && row.advice == .reset && row.source == "our fleet")
        #expect(row.name == "Contained memory error", "the rest is the catalogue's")
        let other = try #require(policy.row(code("43"), in: .builtIn))
        #expect(other.faultClass == .soft && other.group == "other-soft-xid")
    }

    @Test(arguments: [
        "colour: 2", "coverage: {extra: 1}", "groups: {link-fault: {wait: 1}}", "temperature: {nvidla: {warn: 1}}",
        "vendorHealth: {fine: {penalty: 0, latched: false, source: x}}", "throughput: {x: 1}",
        "codes: {nvidia/xid/94: {clas: hard, source: x}}",
        "escalations: [{codes: [], count: 1, x: 1, windowSeconds: 60, source: x}]",
        "thermalResidual: {peers: {warm: 1}}",
        "recoveryActions: {\"x\": {name: x, penalty: 0, advice: none, source: x}}",
    ])
    func `an unknown key anywhere is an error that names it`(text: String) throws {
        let error = #expect(throws: HealthError.self) { try HealthPolicy(yaml: text, name: "the file") }
        let words = ["colour", "extra", "wait", "nvidla", "fine", "x", "clas", "warm"]
        #expect(words.contains { error?.message.contains($0) == true } && error?.message.hasPrefix("the file") == true)
    }

    @Test(arguments: [
        "version: 1", "version: x", "coverage: {maximumSampleAgeSeconds: 0}",
        "coverage: {windowSeconds: 99999999999999999999}",
        "collector: {missesInARow: 0}", "collector: {missesInARow: -1}", "collector: {weight: -1}",
        "temperature: {nvidia: {bad: 80}}", "temperature: {nvidia: {cap: .nan}}", "temperature: {nvidia: {cap: .inf}}",
        "vendorHealth: {warning: {latched: true}}", "throughput: {minimumShare: 1.1}", "throughput: {penalty: 1}",
        "groups: {link-fault: {halfLifeSeconds: 0}}", "groups: {link-fault: {cap: 1}}",
        "groups: {application-xid: {minimumJobs: 900}}", "codes: {nvidia/xid: {class: hard, source: x}}",
        "codes: {nvidia/xid/43: {class: soft, source: x}}", "codes: {nvidia/xid/43: {class: softly, source: x}}",
        "correctableErrors: {binSeconds: 0}", "correctableErrors: {drift: {threshold: .nan}}",
        "throttle: {level: {bad: 0.01}}", "hysteresis: {upMargin: 90}", "duplicates: {sameFault: [[xid]]}",
        "[1, 2]", "just words", "a: [", "codes:", "groups: 7", "coverage: &x {windowSeconds: *x}",
        "escalations: [{codes: [nvidia/xid/94], count: 0, windowSeconds: 60, source: x}]",
    ])
    func `numbers and shapes that make no sense are refused`(text: String) throws {
        #expect(throws: HealthError.self) { try HealthPolicy(yaml: text, name: "test") }
    }

    @Test func `a file that names itself again and again fills no memory`() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for i in 1..<12 {
            text += "a\(i): &a\(i) [" + Array(repeating: "*a\(i - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        let error = #expect(throws: HealthError.self) { try HealthPolicy(yaml: text, name: "test") }
        #expect(error?.message.contains("more than") == true)
        #expect(throws: HealthError.self) {
            try HealthPolicy(yaml: String(repeating: "[", count: 5000), name: "test")
        }
        #expect(throws: HealthError.self) {
            try HealthPolicy(yaml: String(repeating: "#", count: HealthPolicy.maximumBytes + 1), name: "test")
        }
    }

    @Test(arguments: ["a: [", "codes: {nvidia/xid/94: ", "codes: {", "groups: {", "version: ", "%", "x: {", "\""])
    func `a complaint about a file of one long line is short`(start: String) {
        for end in ["", "]", "}", "\"", "\n- ]", ": : ", ": 7}", ": {class: hard, source: x}}"] {
            let text = start + String(repeating: "y", count: 100_000) + end
            let error = #expect(throws: HealthError.self) { try HealthPolicy(yaml: text, name: "test") }
            #expect((1...1100).contains(error?.message.utf8.count ?? 0), "\(start) \(end)")
        }
    }

    @Test(arguments: [
        ("# x\ncoverage:\n  extra: 1\n", "test line 3: coverage: unknown field 'extra'"),
        ("\ncoverage:\n  windowSeconds: x\n", "test line 3: coverage.windowSeconds: "),
        ("\ncoverage: 7\n", "test line 2: coverage: "),
        (
            "\n\nescalations:\n  - {codes: [], count: 1, x: 1, windowSeconds: 60, source: x}\n",
            "test line 4: escalations[0]: unknown field 'x'"
        ),
        ("\nvendorHealth:\n  lost: {penalty: y}", "test line 3: vendorHealth.lost.penalty: "),
    ])
    func `a complaint names the line of the operator's file, not of the built-in one`(text: String, start: String) {
        let error = #expect(throws: HealthError.self) { try HealthPolicy(yaml: text, name: "test") }
        #expect(error?.message.hasPrefix(start) == true, "\(error?.message ?? "")")
    }
}
