using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>What every command sets up before it works: threads and the context.</summary>
internal sealed class RunOptions
{
    private const string ThreadsVariable = "OMP_NUM_THREADS";

    private readonly Option<int?> _threads = new("--threads") { Description = "CPU threads. Default: the machine's cores.", HelpName = "N" };
    private readonly Option<bool> _verbose;

    public RunOptions(CliCommand command, Option<bool> verbose)
    {
        _verbose = verbose;
        _threads.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && int.TryParse(result.Tokens[0].Value, out int count) && count < 1)
                result.AddError($"--threads must be at least 1, not {count}.");
        });
        command.Options.Add(_threads);
    }

    // threads: where --threads is not given; null for the cores of the machine.
    public MLContext Start(ParseResult result, Terminal terminal, int? seed = null, int? threads = null)
    {
        SetThreads(result.GetValue(_threads) ?? (Environment.GetEnvironmentVariable(ThreadsVariable) is null ? threads : null));
        var ml = new MLContext(seed);
        if (result.GetValue(_verbose))
            ml.Log += (_, e) =>
            {
                if (e.Kind != Runtime.ChannelMessageKind.Trace)
                    terminal.Error.WriteLine(e.Message);
            };
        return ml;
    }

    /// <summary>Some builds of the native library start with one thread; then every core is better unless the environment says otherwise.</summary>
    public static void SetThreads(int? wanted)
    {
        if (wanted is { } threads)
        {
            torch.set_num_threads(threads);
            // Not the environment variable: processes started from here would take it over, and compute other last digits.
            ScoringOptions.ProcessThreads = threads;
        }
        else if (torch.get_num_threads() == 1 && Environment.GetEnvironmentVariable(ThreadsVariable) is null)
            torch.set_num_threads(Environment.ProcessorCount);
    }
}
