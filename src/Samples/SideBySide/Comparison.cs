using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Samples.SideBySide;

/// <summary>Trains a pipeline, saves it, and says how well and how fast: the same for every trainer.</summary>
internal sealed class Comparison(MLContext ml, IDataView train, IDataView test)
{
    public Result Run(string name, IEstimator<ITransformer> trainer)
    {
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(trainer)
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel", "PredictedKey"));

        var watch = Stopwatch.StartNew();
        var model = pipeline.Fit(train);
        var training = watch.Elapsed;
        watch.Restart();
        var metrics = ml.MulticlassClassification.Evaluate(model.Transform(test), predictedLabelColumnName: "PredictedKey");
        var scoring = watch.Elapsed;
        var size = SavedSize(model);
        (model as IDisposable)?.Dispose();
        return new(name, metrics.MicroAccuracy, metrics.MacroAccuracy, training, scoring, size);
    }

    private long SavedSize(ITransformer model)
    {
        var path = Path.Combine(Path.GetTempPath(), $"side-by-side-{Guid.NewGuid():N}.mlnet");
        try
        {
            ml.Model.Save(model, train.Schema, path);
            return new FileInfo(path).Length;
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <param name="Name">The trainer.</param>
    /// <param name="Accuracy">Share of the test rows that are right.</param>
    /// <param name="MacroAccuracy">The same, averaged over the classes.</param>
    /// <param name="Training">Time of <c>Fit</c>.</param>
    /// <param name="Scoring">Time to score the test rows.</param>
    /// <param name="FileBytes">Size of the saved model.</param>
    internal sealed record Result(string Name, double Accuracy, double MacroAccuracy, TimeSpan Training, TimeSpan Scoring, long FileBytes);
}
