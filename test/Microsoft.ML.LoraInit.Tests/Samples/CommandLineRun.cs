using System.Diagnostics;
using System.Text;
using Microsoft.ML.LoraInit.Samples.Commands;
using Microsoft.ML.LoraInit.Samples.Output;
using Spectre.Console;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>What a run of the sample program wrote and returned.</summary>
internal sealed record CommandLineRun(int ExitCode, string Output, IReadOnlyList<string> Errors)
{
    public static Task<CommandLineRun> InProcess(params string[] arguments) => InProcess(arguments, CancellationToken.None);

    public static async Task<CommandLineRun> InProcess(string[] arguments, CancellationToken cancellation, string input = "")
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No });
        int code = await Cli.RunAsync(arguments, new Terminal(console, output, error, live: false, () => new MemoryStream(Encoding.UTF8.GetBytes(input))), cancellation);
        return new(code, output.ToString(), Lines(error.ToString()));
    }

    /// <summary>Runs the program as its users do, in a process of its own.</summary>
    public static async Task<CommandLineRun> ChildProcess(params string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "lorainit.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        })!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new(process.ExitCode, await output, Lines(await error));
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
