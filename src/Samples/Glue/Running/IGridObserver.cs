using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>Told how a grid gets on; called from several threads, one at a time.</summary>
internal interface IGridObserver
{
    void Planned(int cells, int toRun);

    void Started(RunConfig config, int slot);

    void Ended(RunRecord record);

    /// <summary>Another process holds the cell.</summary>
    void LeftToOthers(RunConfig config);
}
