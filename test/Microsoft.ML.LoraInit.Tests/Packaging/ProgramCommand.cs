using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>Runs a program, as a user would in a shell.</summary>
internal static class ProgramCommand
{
    /// <returns>What it wrote.</returns>
    public static string Run(string program, params string[] arguments) => Run(new ProcessStartInfo(program, arguments));

    /// <returns>What it wrote.</returns>
    public static string Run(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        var all = output + error.GetAwaiter().GetResult();
        Assert.AreEqual(0, process.ExitCode, $"{start.FileName} {string.Join(' ', start.ArgumentList)}\n{all}");
        return all;
    }
}
