using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Commands.Adapter;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Glue.Commands;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The program as a function of its arguments.</summary>
internal static class Cli
{
    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Show ML.NET's log and, after an error, where it came from.", Recursive = true };

    /// <summary>Runs a command line.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(string[] args, Terminal terminal, CancellationToken cancellationToken)
    {
        ParseResult parsed;
        try
        {
            // A value that begins with '@' is a value, not the name of a file with more arguments.
            parsed = Create(terminal).Parse(args, new() { ResponseFileTokenReplacer = null });
            args = ConfigFile.Expand(parsed, args);
            parsed = Create(terminal).Parse(args, new() { ResponseFileTokenReplacer = null });
            _ = parsed.Errors.Count;
        }
        catch (Exception e)
        {
            terminal.Fail(Cause(e) is UsageException usage ? usage.Message : OneLine(e));
            return ExitCodes.BadInput;
        }
        if (parsed.Errors.Count > 0)
        {
            terminal.Fail(string.Join(' ', parsed.Errors.Select(e => ErrorText.Of(e) + ErrorSuggestion.For(parsed, e))) + " See --help.");
            return ExitCodes.BadInput;
        }
        try
        {
            PlaceCheck.Apply(parsed);
            return await parsed.InvokeAsync(
                new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null, Output = terminal.Output, Error = terminal.Error },
                cancellationToken);
        }
        catch (Exception e)
        {
            var cause = Cause(e);
            if (cause is OperationCanceledException && cancellationToken.IsCancellationRequested)
            {
                terminal.Fail("cancelled; nothing was written.");
                return ExitCodes.Cancelled;
            }
            terminal.Fail(cause is UsageException or RunFileException or GlueDataException ? cause.Message : OptionNames.Translate(ErrorText.Plain(cause.Message)));
            if (parsed.GetValue(Verbose))
                terminal.Error.WriteLine(e);
            return IsBadInput(cause) ? ExitCodes.BadInput : ExitCodes.Failed;
        }
    }

    /// <summary>What is wrong with a command line, without running it; nothing where it is understood.</summary>
    public static IReadOnlyList<string> Problems(string[] args) =>
        [.. Create(Terminal.System).Parse(args, new() { ResponseFileTokenReplacer = null }).Errors.Select(e => e.Message)];

    private static RootCommand Create(Terminal terminal)
    {
        var root = new RootCommand("Fine-tunes RoBERTa with LoRA in ML.NET. Without a command: a quickstart that trains on a small support-desk set, offline, in under two minutes.")
        {
            Verbose,
            TrainCommand.Create(terminal, Verbose),
            EvaluateCommand.Create(terminal, Verbose),
            PredictCommand.Create(terminal, Verbose),
            EmbedCommand.Create(terminal, Verbose),
            GlueCommand.Create(terminal, Verbose),
            InspectCommand.Create(terminal, Verbose),
            AdapterCommand.Create(terminal, Verbose),
            SampleCommand.Create(terminal),
        };
        var quickstart = new QuickstartCommand(terminal);
        foreach (var option in quickstart.Options)
            root.Options.Add(option);
        root.SetAction((result, cancellation) => Task.FromResult(quickstart.Run(result, cancellation)));
        return root;
    }

    private static string OneLine(Exception e) => string.Join(' ', e.GetBaseException().Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));

    // Rows are read on ML.NET's own threads, which wrap what happens there.
    private static Exception Cause(Exception e)
    {
        for (var inner = e; inner is not null; inner = inner.InnerException)
            if (inner is UsageException or GlueDataException or OperationCanceledException)
                return inner;
        return e;
    }

    private static bool IsBadInput(Exception e) =>
        e is UsageException or RunFileException or GlueDataException or ArgumentException or FormatException or InvalidDataException or FileNotFoundException or DirectoryNotFoundException or NotSupportedException;
}
