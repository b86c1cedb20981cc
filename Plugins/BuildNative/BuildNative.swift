import Foundation
import PackagePlugin

/// Runs `make -C CSources` before the target is compiled: the preload library, the simulated vendor libraries, their
/// clients and the workload shim are C programs with names and version nodes that SwiftPM cannot give.
@main
struct BuildNative: BuildToolPlugin {
    private static let sourceExtensions: Set<String> = ["c", "h", "def", "map", "mk", "in"]

    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let sources = context.package.directoryURL.appending(path: "CSources")
        let output = context.pluginWorkDirectoryURL.appending(path: "native")
        let generated = context.pluginWorkDirectoryURL.appending(path: "NativeArtifactsPath.swift")
        return [
            .buildCommand(
                displayName: "Building native libraries with make",
                executable: URL(filePath: "/usr/bin/make"),
                arguments: [
                    "-C", sources.path(percentEncoded: false), "--no-print-directory", "-j2",
                    "OUT=" + output.path(percentEncoded: false),
                    "GENERATED=" + generated.path(percentEncoded: false),
                    "all",
                ],
                inputFiles: inputs(below: sources),
                outputFiles: [generated])
        ]
    }

    private func inputs(below directory: URL) -> [URL] {
        guard let files = FileManager.default.enumerator(at: directory, includingPropertiesForKeys: nil) else {
            return []
        }
        return files.compactMap { $0 as? URL }
            .filter { Self.sourceExtensions.contains($0.pathExtension) || $0.lastPathComponent == "Makefile" }
            .sorted { $0.path < $1.path }
    }
}
