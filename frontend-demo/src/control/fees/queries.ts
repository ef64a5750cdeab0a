import { graphql, type ResultOf, type VariablesOf } from "../../graphql/tada.js";

/** The versions that are valid now. */
export const FEE_SCHEDULES = graphql(`
  query FeeSchedules {
    feeSchedules {
      id name version transactionType currency userId payer percent rounding validFrom
      flat { amount currency }
      minimum { amount currency }
      maximum { amount currency }
    }
  }
`);

export const PUBLISH_FEE_SCHEDULE = graphql(`
  mutation PublishFeeSchedule($input: PublishFeeScheduleInput!) {
    publishFeeSchedule(input: $input) {
      replayed
      feeSchedule { id name version validFrom }
      userErrors { code message path }
    }
  }
`);

export type FeeSchedule = ResultOf<typeof FEE_SCHEDULES>["feeSchedules"][number];
export type PublishInput = VariablesOf<typeof PUBLISH_FEE_SCHEDULE>["input"];
export type Published = NonNullable<NonNullable<ResultOf<typeof PUBLISH_FEE_SCHEDULE>["publishFeeSchedule"]>["feeSchedule"]>;
