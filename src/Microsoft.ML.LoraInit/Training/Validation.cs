using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>Scores rows with the model as it is in training, adapters unmerged, without dropout and gradients.</summary>
internal static class Validation
{
    private const int SmallestBatch = 64;

    /// <summary>The logits of every row, in the rows' order.</summary>
    /// <param name="model">Its parameters must be bound in the caller's scope.</param>
    /// <param name="data">The rows.</param>
    /// <param name="task">The task.</param>
    /// <param name="batchSize">Rows a batch in training; more go in here, as nothing is kept for a backward pass.</param>
    /// <param name="beforeBatch">Called with the rows done so far before each batch; may throw.</param>
    public static float[][] Logits(RobertaClassifier model, TextDataset data, TextTask task, int batchSize, Action<int> beforeBatch)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var plan = BatchPlanner.ByLength([.. data.Texts.Select(t => t.Length)], Math.Max(SmallestBatch, batchSize));
        var outputs = new List<Tensor>();
        using (var queue = new BatchQueue(data, plan, task, model.Config.PadTokenId, model.Device))
        {
            int done = 0;
            foreach (var rows in plan)
            {
                beforeBatch(done);
                using var batchScope = NewDisposeScope();
                using var batch = queue.Take();
                outputs.Add(model.forward(batch.Inputs, ForwardContext.Inference).MoveToOuterDisposeScope());
                done += rows.Length;
            }
        }
        var all = cat(outputs, 0).cpu().data<float>().ToArray(); // the one wait for the device
        var logits = new float[data.Count][];
        int row = 0;
        foreach (var index in plan.SelectMany(rows => rows))
            logits[index] = all[(row * task.OutputCount)..(++row * task.OutputCount)];
        return logits;
    }
}
