import Testing

@Suite("The import table")
struct ImportTableTests {
    @Test("every module in Sources has a row, and every row a module")
    func complete() throws {
        #expect(try Checkout.folders(under: "Sources") == ModuleRule.table.map(\.name).sorted())
    }

    @Test("a module imports only what its row allows", arguments: ModuleRule.table.map(\.name))
    func imports(module: String) throws {
        let rule = try #require(ModuleRule.table.first { $0.name == module })
        for path in try Checkout.swiftFiles(under: "Sources/\(module)") {
            for imported in SwiftSource(try Checkout.text(path)).imports.sorted() {
                let allowed = rule.allows(imported)
                #expect(allowed, "\(path) imports \(imported), which the table does not allow in \(module)")
            }
        }
    }

    @Test("what a row forbids does not stand in the module", arguments: ModuleRule.table.map(\.name))
    func forbidden(module: String) throws {
        let rule = try #require(ModuleRule.table.first { $0.name == module })
        guard !rule.never.isEmpty else { return }
        for path in try Checkout.swiftFiles(under: "Sources/\(module)") {
            let source = SwiftSource(try Checkout.text(path))
            for (word, why) in rule.never {
                #expect(!source.contains(word: word), "\(path) has '\(word)': \(why)")
            }
        }
    }

    @Test(
        "HCSSimulation is used by the agent's executable and by tests only, NativeArtifacts by the demo and by tests only"
    )
    func simulationStaysOutside() {
        #expect(ModuleRule.table.filter { $0.own.contains("HCSSimulation") }.map(\.name) == ["hcs-agent"])
        #expect(ModuleRule.table.filter { $0.own.contains("NativeArtifacts") }.map(\.name) == ["hcs-demo"])
    }

    @Test("Package.swift gives a module only what its row allows, so that nothing comes in through a side door")
    func manifest() throws {
        let manifest = try Manifest()
        let products = [
            "logging": "Logging", "argumentParser": "ArgumentParser", "asyncHTTPClient": "AsyncHTTPClient",
            "nio": "NIOCore",
            "httpTypes": "HTTPTypes",
        ]
        for rule in ModuleRule.table where rule.name != "HCSTestSupport" {
            let target = try #require(manifest.dependencies(of: rule.name), "\(rule.name) is not in Package.swift")
            for name in target {
                // `server` stands for the three products of the daemons; it is spelled out in the manifest.
                if name == "server" {
                    #expect(rule.allows("Hummingbird"), "\(rule.name) has the server stack in Package.swift")
                    continue
                }
                let module = products[name] ?? name
                let allowed = rule.allows(module)
                #expect(
                    allowed, "Package.swift gives \(rule.name) \(module), which the table does not allow")
            }
        }
    }

    @Test("the source reader sees every form of import and no word in a comment")
    func reader() {
        let source = SwiftSource(
            """
            // import Never
            package import HCSModel
            @preconcurrency import struct Foundation.Data /* async */
            let url = "http://x"  // await
            func asynchronous() {}
            """)
        #expect(source.imports == ["HCSModel", "Foundation"])
        #expect(!source.contains(word: "async"))
        #expect(!source.contains(word: "await"))
        #expect(source.contains(word: "asynchronous"))
        #expect(source.contains(word: "url"))
    }
}
