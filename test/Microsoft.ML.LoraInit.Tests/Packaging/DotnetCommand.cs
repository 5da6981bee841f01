using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>Runs the SDK in a folder, as a user would in a shell.</summary>
internal static class DotnetCommand
{
    /// <returns>What it wrote.</returns>
    public static string Run(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = folder };
        // A test host is itself started by the SDK and hands on where that one keeps its targets.
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        return ProgramCommand.Run(start);
    }
}
