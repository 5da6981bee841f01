using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>Trains and scores one cell.</summary>
internal interface IRunExecutor
{
    /// <summary>The environment that runs in this slot are recorded with, whether they end well or not.</summary>
    RunEnvironment Environment(int slot);

    /// <summary>Makes what the cell starts from; the time that it takes is not the cell's.</summary>
    /// <inheritdoc cref="Execute"/>
    void Prepare(RunConfig config, int slot, CancellationToken cancellation)
    {
    }

    /// <param name="config">The cell.</param>
    /// <param name="workDirectory">Where checkpoints go, and where those of a killed run lie.</param>
    /// <param name="slot">The worker, from 0: it picks the device.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="OperationCanceledException">Stopped from outside: nothing is recorded, the checkpoints stay.</exception>
    /// <exception cref="Exception">Anything else fails this run alone.</exception>
    RunRecord Execute(RunConfig config, string workDirectory, int slot, CancellationToken cancellation);
}
