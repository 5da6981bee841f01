using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

/// <summary>Scores a file with a saved model in a process of its own.</summary>
internal static class ChildProcess
{
    public static (int ExitCode, string Error) Score(string model, string rows, string output, string? program = null)
    {
        program ??= Path.Combine(AppContext.BaseDirectory, "Microsoft.ML.LoraInit.Tests.Child.dll");
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardError = true,
            ArgumentList = { "exec", program, model, rows, output },
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error.Trim());
    }
}
