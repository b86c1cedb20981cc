import Foundation
import PackagePlugin

/// Compiles `bpf/*.bpf.c` and embeds the objects in a Swift source of the target (`bpf/Makefile`).
@main struct BuildBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        let directory = context.package.directoryURL.appending(path: "bpf")
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedPrograms.swift")
        // BPF_CLANG reaches make through the environment; naming it here makes a change rebuild.
        var arguments = [
            "--no-print-directory", "-s", "-C", directory.path, "OUT=\(context.pluginWorkDirectoryURL.path)",
        ]
        if let clang = ProcessInfo.processInfo.environment["BPF_CLANG"], !clang.isEmpty {
            arguments.append("BPF_CLANG=\(clang)")
        }
        return [
            .buildCommand(
                displayName: "BPF programs", executable: URL(fileURLWithPath: "/usr/bin/make"), arguments: arguments,
                inputFiles: try sources(in: directory), outputFiles: [output])
        ]
    }

    private func sources(in directory: URL) throws -> [URL] {
        let files = FileManager.default
        let top = try files.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        let headers = try files.contentsOfDirectory(
            at: directory.appending(path: "include"), includingPropertiesForKeys: nil)
        return (top + headers)
            .filter { ["c", "h", "sh"].contains($0.pathExtension) || $0.lastPathComponent == "Makefile" }
            .sorted { $0.path < $1.path }
    }
}
