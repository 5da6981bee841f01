using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Commands;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Recipes;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Running;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary><c>glue</c>: trains a grid of tasks × strategies × learning rates × seeds and reports on it.</summary>
internal sealed class GlueCommand
{
    private readonly Terminal _terminal;
    private readonly GridOptions _grid;
    private readonly RunOptions _run;
    private readonly Option<string?> _out = new("--out") { Description = "The folder of the results; the same command goes on from what is there. Default with a recipe: results/NAME.", HelpName = "DIR" };
    private readonly Option<string> _shard = new("--shard") { Description = "Part i (from 0) of n; auto reads SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, and is the whole grid elsewhere.", HelpName = "i/n|auto", DefaultValueFactory = _ => "auto" };
    private readonly Option<int?> _parallel = new("--max-parallel") { Description = "Runs at a time in this process, which share the cores: --threads is then the threads of each. Default: one a device.", HelpName = "K" };
    private readonly Option<double?> _budget = NumberOption.Create("--time-budget", "Start no run after so many minutes; those under way end, and the same command does the rest.", "MINUTES");
    private readonly Option<double?> _limit = NumberOption.Create("--run-time-limit", "Stop a run that takes longer and record it as failed; making the adapter that it starts from does not count.", "MINUTES");
    private readonly Option<string> _devices = new("--devices") { Description = "Devices that the runs are spread over; auto takes every GPU, else the CPU.", HelpName = "auto|cpu|cuda:0,cuda:1,…", DefaultValueFactory = _ => "auto" };
    private readonly Option<bool> _retry = new("--retry-failed") { Description = "Run again what is recorded as failed." };
    private readonly Option<int?> _every = new("--checkpoint-every") { Description = "Optimiser steps between checkpoints of a run. Default: one an epoch.", HelpName = "STEPS" };
    private readonly Option<string?> _board = new("--tensorboard") { Description = "Write TensorBoard event files, one folder a run.", HelpName = "DIR" };

    private GlueCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        _grid = new(command);
        foreach (var option in new Option[] { _out, _shard, _parallel, _budget, _limit, _devices, _retry, _every, _board })
            command.Options.Add(option);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("glue", "Compare initialisations on GLUE: train a grid, resume it, share it between machines, report on it.")
        {
            ReportCommand.Create(terminal),
            MergeCommand.Create(terminal),
            DownloadCommand.Create(terminal),
            RecipeCommand.Create(terminal),
        };
        var run = new GlueCommand(command, terminal, verbose);
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var started = TimeProvider.System.GetTimestamp();
        var recipe = result.GetValue(_grid.Recipe) is { } named ? RecipeFiles.Read(named) : null;
        var output = result.GetValue(_out) ?? (recipe is null
            ? throw new UsageException("Option '--out' is required: the folder of the results.")
            : Path.Combine("results", recipe.Name));
        OutputPlace.CheckFolder(output, "--out");
        var board = result.GetValue(_board);
        if (board is not null)
            OutputPlace.CheckFolder(board, "--tensorboard");
        var shard = Shard.Resolve(result.GetValue(_shard)!, Environment.GetEnvironmentVariable);
        var budget = Minutes(result, _budget);
        var limit = Minutes(result, _limit);
        var devices = DeviceList.Parse(result.GetValue(_devices)!);
        var parallel = result.GetValue(_parallel) ?? devices.Count;
        if (parallel < 1)
            throw new UsageException($"--max-parallel must be at least 1, not {parallel}.");
        // Each run has threads of its own, so that the default would be as many times too many as there are runs.
        var ml = _run.Start(result, _terminal, seed: 0, threads: parallel == 1 ? null : Math.Max(1, Environment.ProcessorCount / parallel));
        var checkpoint = RobertaCheckpoint.Parse(result.GetRequiredValue(_grid.BaseModel));
        using var session = new GlueSession(ml, checkpoint, result.GetRequiredValue(_grid.DataDirectory), cancellation);
        var plan = Plan(result, recipe, session, checkpoint, devices[0]) with { Command = _grid.CommandLine(result) };
        var store = new RunStore(output);
        var starts = new InitialAdapterFolders(store.Directory, plan.Starts ?? new Dictionary<string, RunConfig>());
        starts.Check(plan.Groups);
        var part = GridPart.Of(plan, shard);
        if (shard != Shard.Whole)
            _terminal.Output.WriteLine($"Shard {shard}: {part.Count} of {Count.Of(plan.Count, "run")}.");

        var executor = new GlueExecutor(session, devices) { MaxParallel = parallel, TensorBoardDirectory = board, CheckpointEverySteps = result.GetValue(_every), Starts = starts };
        var runner = new GridRunner(store, executor, new GridConsole(_terminal.Output))
        {
            RetryFailed = result.GetValue(_retry),
            MaxParallel = parallel,
            Command = plan.Command,
            TimeBudget = budget,
            RunTimeLimit = limit,
            StartedAt = started,
        };
        var schedule = runner.Schedule(part);
        // A missing file, or a rank that the base does not take, should not show after hours of other tasks.
        foreach (var run in schedule.Open)
            executor.Check(run, cancellation);
        store.Write(plan);
        GridSummary summary;
        try
        {
            summary = runner.Run(schedule, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            _terminal.Fail("cancelled; what has ended is recorded, and the same command goes on from here.");
            return ExitCodes.Cancelled;
        }
        _terminal.Output.WriteLine($"{Count.Of(summary.Finished, "run")} finished, {summary.Skipped} were there already, {summary.Failed} failed.");
        if (summary.Elsewhere > 0)
            _terminal.Output.WriteLine($"{Count.Of(summary.Elsewhere, "run")} left to another process that works in this folder.");
        if (summary.Missing > 0)
            _terminal.Output.WriteLine($"{Count.Of(summary.Missing, "run")} missing: {(budget is null ? "no learning rate could be selected for them" : "the time budget is over, or no learning rate could be selected for them")}. The same command goes on from here.");
        if (shard == Shard.Whole && summary.Finished + summary.Failed + summary.Skipped > 0)
        {
            foreach (var file in ReportFiles.Write(store.Directory, store.Directory))
                _terminal.Output.WriteLine(file);
            ResultTable.Write(_terminal, ReportFiles.Read(store.Directory));
        }
        return summary.Failed == 0 ? ExitCodes.Success : ExitCodes.Failed;
    }

    private GridPlan Plan(ParseResult result, Recipe? recipe, GlueSession session, RobertaCheckpoint checkpoint, TorchSharp.torch.Device device)
    {
        var model = _grid.Model(result, checkpoint, session.BaseModelSha256, device);
        var given = _grid.Given(result);
        if (recipe is null)
            return RunGrid.Plan(GridText.Read(given, model));
        var data = result.GetRequiredValue(_grid.DataDirectory);
        var planned = RecipePlan.Of(recipe, given, model, session.Shape.MaxLength, session.Check, task => GlueTask.Parse(task).HasFiles(data), RecipeFiles.IsInTool(result.GetValue(_grid.Recipe)!));
        _terminal.Output.WriteLine($"{recipe.Name}: {recipe.Title} ({recipe.Source})");
        if (recipe.BaseModel is { } published && published.Value != checkpoint.Id)
            _terminal.Output.WriteLine($"  base model: {checkpoint.Id}; the publication's is {published.Value} (--base-model {published.Value})");
        foreach (var sentence in planned.LeftOut)
            _terminal.Output.WriteLine($"  left out: {sentence}");
        return planned.Parts.Count > 0
            ? RunGrid.Plan(planned.Parts)
            : throw new UsageException($"Nothing of the recipe '{recipe.Name}' can be run: {string.Join(' ', planned.LeftOut)}");
    }

    private static TimeSpan? Minutes(ParseResult result, Option<double?> option) => result.GetValue(option) switch
    {
        null => null,
        { } minutes when minutes > 0 && minutes <= 1e6 => TimeSpan.FromMinutes(minutes),
        { } minutes => throw new UsageException($"{option.Name} must be a number of minutes above 0, not {minutes}."),
    };
}
