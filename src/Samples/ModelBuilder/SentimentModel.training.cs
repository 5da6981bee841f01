using Microsoft.ML;
using Microsoft.ML.LoraInit;

namespace SentimentSample;

/// <summary>How the model is trained, and trained again on other data.</summary>
public partial class SentimentModel
{
    public const string RetrainFilePath = "Data/sentiment.tsv";
    public const char RetrainSeparatorChar = '\t';
    public const bool RetrainHasHeader = true;
    public const bool RetrainAllowQuoting = false;

    /// <summary>Trains a model on a file of sentences and saves it.</summary>
    /// <param name="outputModelPath">Where the model goes; replaced as a whole where there is one.</param>
    /// <param name="inputDataFilePath">Label and text a line.</param>
    /// <param name="separatorChar">Between the columns.</param>
    /// <param name="hasHeader">Whether the first line names the columns.</param>
    /// <param name="allowQuoting">Whether quotation marks enclose values rather than being text.</param>
    public static void Train(string outputModelPath, string inputDataFilePath = RetrainFilePath, char separatorChar = RetrainSeparatorChar, bool hasHeader = RetrainHasHeader, bool allowQuoting = RetrainAllowQuoting)
    {
        var mlContext = new MLContext(seed: 0);
        var data = LoadIDataViewFromFile(mlContext, inputDataFilePath, separatorChar, hasHeader, allowQuoting);
        var model = RetrainModel(mlContext, data);
        SaveModel(mlContext, model, data, outputModelPath);
        (model as IDisposable)?.Dispose();
    }

    /// <summary>The file's rows as the pipeline reads them.</summary>
    public static IDataView LoadIDataViewFromFile(MLContext mlContext, string inputDataFilePath, char separatorChar, bool hasHeader, bool allowQuoting)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        return mlContext.Data.LoadFromTextFile<ModelInput>(inputDataFilePath, separatorChar, hasHeader, allowQuoting: allowQuoting);
    }

    /// <summary>Saves the model with the schema of its input.</summary>
    public static void SaveModel(MLContext mlContext, ITransformer model, IDataView data, string modelSavePath)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        ArgumentNullException.ThrowIfNull(data);
        var temporary = modelSavePath + ".tmp";
        using (var stream = File.Create(temporary))
            mlContext.Model.Save(model, data.Schema, stream);
        File.Move(temporary, modelSavePath, overwrite: true);
    }

    /// <summary>Trains the pipeline anew.</summary>
    public static ITransformer RetrainModel(MLContext mlContext, IDataView trainData) => BuildPipeline(mlContext).Fit(trainData);

    /// <summary>Label to key, the trainer, and the predicted key back to a label.</summary>
    public static IEstimator<ITransformer> BuildPipeline(MLContext mlContext)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        return mlContext.Transforms.Conversion.MapValueToKey("Sentiment")
            .Append(mlContext.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
            {
                LabelColumnName = "Sentiment",
                TextColumnName = "Text",
                BaseModel = RobertaCheckpoint.Mini,
                Rank = 8,
                Alpha = 16,
                TargetModules = TargetModules.AllLinear,
                Initialization = LoraInitialization.Kaiming(),
                MaxEpochs = 12,
                BatchSize = 8,
                InitialLearningRate = 2e-3,
            }))
            .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
    }
}
